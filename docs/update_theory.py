"""Run the commands of docs/theory.md and put the tables that they measure into the page, from the project's folder.

python docs/update_theory.py            all of them
python docs/update_theory.py long-gap   those of these names
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

PAGE = Path(__file__).parent / "theory.md"
BLOCK = re.compile(
    r"(<!-- compare: (?P<name>[\w-]+) -->\n```console\n(?P<command>.+?)\n```\n.*?<!-- table -->\n)"
    r".*?(?=<!-- end table -->)",
    re.DOTALL,
)


def run(block: re.Match[str], name: str) -> str:
    """Give a block of the page, with the table that its command measures now if it has that name."""
    if block["name"] != name:
        return block[0]
    with TemporaryDirectory() as folder:
        table = Path(folder) / "table.md"
        command = shlex.split(block["command"].replace("\\\n", " "))
        subprocess.run([sys.executable, *command[1:], "--table", str(table)], check=True)
        return f"{block[1]}\n{table.read_text(encoding='utf8')}\n"


def main(names: list[str]) -> None:
    """Update the page, one table after the other, so that a stop keeps what is done."""
    page = PAGE.read_text(encoding="utf8")
    known = [block["name"] for block in BLOCK.finditer(page)]
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"The page has no command {', '.join(unknown)}. It has: {', '.join(known)}.")
    for name in names or known:
        page = BLOCK.sub(lambda block, name=name: run(block, name), PAGE.read_text(encoding="utf8"))
        PAGE.write_text(page, encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
