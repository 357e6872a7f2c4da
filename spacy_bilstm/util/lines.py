"""Split text into lines as editors do."""

from __future__ import annotations

import re

# str.splitlines() also splits at characters that a text or a token may contain, such as U+2028 and U+0085.
_LINE_END = re.compile(r"\r*\n|\r")


def split_lines(text: str) -> list[str]:
    r"""Split a text into lines.

    text: the text. Only `\n`, `\r\n` and `\r` end a line.
    RETURNS: the lines without their ends. The last one is empty if the text ends with a line end.
    """
    return _LINE_END.split(text)
