"""The version of the format in which components and weights are stored.

Format 1 is that of version 0.1.0, which stored no number. Format 2, since version 0.2.0, stores its number. A change
that earlier versions would misread gets a new number, and the code that loads still reads the earlier formats.
"""

from __future__ import annotations

from typing import Any

from .. import __version__

FORMAT = 2
FIRST_FORMAT = 1


class FormatError(ValueError):
    """Stored data is of a format that this version can't read."""


def check_format(stored: Any) -> None:
    """Check that this version reads a format.

    stored: the number that is stored with the data.
    RAISES: FormatError that names both formats, if it is newer; ValueError if it is not a number of a format.
    """
    if type(stored) is not int or stored < FIRST_FORMAT:
        raise ValueError(f"the format must be a whole number of at least {FIRST_FORMAT}, but is {stored!r}")
    if stored > FORMAT:
        raise FormatError(
            f"it is stored in format {stored}, but spacy-bilstm {__version__} reads formats up to {FORMAT}. Install a "
            "newer version: python -m pip install --upgrade spacy-bilstm"
        )


def find_format_error(error: BaseException | None) -> FormatError | None:
    """Return the format error that led to an error, or None if it has another reason.

    error: an error that was raised while another was handled, or the format error itself.
    """
    while error is not None and not isinstance(error, FormatError):
        error = error.__context__
    return error
