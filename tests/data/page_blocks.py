"""Read the marked blocks of a page of the documentation."""

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^<!-- (?P<mark>runnable(?:: slow|: ray)?|output|file: (?P<file>\S+)) -->\n"
    r"```(?P<language>\w+)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    """A marked block of a page. `file` is the name of the file to save it as, if any."""

    mark: str
    file: str | None
    language: str
    text: str


def read_blocks(page: Path) -> list[Block]:
    """Return the marked blocks of a page."""
    return [
        Block(block["mark"], block["file"], block["language"], block["text"])
        for block in BLOCK.finditer(page.read_text(encoding="utf8"))
    ]
