"""Run the commands of docs/theory.md and write their tables into the page.

Run it in the project's folder:

python -m spacy_bilstm.experiments.theory_page            all commands
python -m spacy_bilstm.experiments.theory_page long-gap   the command with this name
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

PAGE = Path("docs/theory.md")
BLOCK = re.compile(
    r"(<!-- compare: (?P<name>[\w-]+) -->\n```console\n(?P<command>.+?)\n```\n.*?<!-- table -->\n)"
    r".*?(?=<!-- end table -->)",
    re.DOTALL,
)


def update_page(page: Path, names: Sequence[str] = ()) -> None:
    """Run commands of the page and replace their tables. The page is written after each command.

    page: a Markdown file. A command has a comment such as `<!-- compare: long-gap -->` above it. Its table is between
        the comments `<!-- table -->` and `<!-- end table -->`.
    names: the names of the commands to run; all if empty.
    RAISES: ValueError for a name that the page does not have.
    """
    known = [block["name"] for block in BLOCK.finditer(page.read_text(encoding="utf8"))]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{page} has no command '{unknown[0]}'. Choose from: {', '.join(known)}.")
    for name in names or known:
        text = BLOCK.sub(partial(_update_block, name), page.read_text(encoding="utf8"))
        page.write_text(text, encoding="utf8")


def _update_block(name: str, block: re.Match[str]) -> str:
    """Return the block with a new table if it has this name, else the same text."""
    if block["name"] != name:
        return block[0]
    with TemporaryDirectory() as folder:
        table = Path(folder) / "table.md"
        command = shlex.split(block["command"].replace("\\\n", " "))
        subprocess.run([sys.executable, *command[1:], "--table", str(table)], check=True)
        return f"{block[1]}\n{table.read_text(encoding='utf8')}\n"


def main() -> None:
    """Read the command line and update the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="names of commands; default: all")
    arguments = parser.parse_args()
    try:
        update_page(PAGE, arguments.names)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
