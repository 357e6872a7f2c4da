"""Convert entity tags of any scheme to IOB2, with "" for missing annotation.

Missing annotation differs from "O": it says nothing about whether the token is in an entity.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum

TAG = re.compile(r"(?P<prefix>[BILUES])-(?P<label>.+)")
OUTSIDE = "O"
MISSING = ("", "-", "_")


class Scheme(str, Enum):
    """How tags mark the start and the end of an entity. BIO is `iob2`; BIOES and IOBES are `biluo`."""

    iob1 = "iob1"
    iob2 = "iob2"
    biluo = "biluo"


def is_tag(tag: str) -> bool:
    """Return whether a string is an entity tag of any scheme.

    tag: the string.
    RETURNS: whether it is "O", or a prefix and a label such as "B-PER".
    """
    return tag == OUTSIDE or TAG.fullmatch(tag) is not None


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Detect the scheme of a corpus from its tags.

    sentences: the tags of each sentence.
    RETURNS: `biluo` if there is a prefix that only this scheme has; `iob1` if more entities start with I- than with B-;
        `iob2` otherwise.
    """
    starts: Counter[str] = Counter()
    for tags in sentences:
        previous_label = ""
        for prefix, label in map(_split, tags):
            if prefix in ("L", "U"):
                return Scheme.biluo
            if label and label != previous_label:
                starts[prefix] += 1
            previous_label = label
    return Scheme.iob1 if starts["I"] > starts["B"] else Scheme.iob2


def to_iob2(tags: Sequence[str], scheme: Scheme) -> tuple[list[str], list[tuple[int, str]]]:
    """Convert the entity tags of a sentence to IOB2.

    tags: the tags; "", "-" and "_" are missing annotation.
    scheme: the scheme of the tags.
    RETURNS: the tags in IOB2, with "" for annotation that is missing or invalid; and the invalid tags, each as the
        position of its token and a message.
    """
    iob2: list[str] = []
    invalid: list[tuple[int, str]] = []
    label = ""  # The label of the entity that the next token may continue.
    broken = ""  # The label of an entity without a start, which is reported once.
    start = 0

    def leave_open(end: int) -> None:
        """Treat an entity that ends without its L- as missing."""
        invalid.append((start, f"the entity that starts with '{tags[start]}' has no end. It is treated as missing."))
        iob2[start:end] = [""] * (end - start)

    for i, tag in enumerate(tags):
        prefix, tag_label = _split(tag)
        continues = prefix in ("I", "L") and tag_label == label != ""
        if scheme is Scheme.biluo and label and not continues:
            leave_open(i)
        if prefix == "" and tag not in MISSING:
            invalid.append((i, f"'{tag}' is not an entity tag such as O or B-PER. It is treated as missing."))
        if prefix in ("", "O"):
            iob2.append(prefix)
            label = broken = ""
        elif continues:
            iob2.append(f"I-{tag_label}")
            label = "" if prefix == "L" else label
        elif prefix in ("B", "U") or scheme is Scheme.iob1:
            iob2.append(f"B-{tag_label}")
            label, start = ("" if prefix == "U" else tag_label), i
            broken = ""
        else:
            if tag_label != broken:
                place = f"follows '{tags[i - 1]}'" if i else "starts the sentence"
                invalid.append((i, f"'{tag}' {place}, so its entity has no start. It is treated as missing."))
            iob2.append("")
            label, broken = "", ("" if prefix == "L" else tag_label)
    if scheme is Scheme.biluo and label:
        leave_open(len(tags))
    return iob2, invalid


def join_tags(tags: Sequence[str]) -> str | None:
    """Return the tag of a token that consists of several words.

    tags: the tags of the words in IOB2.
    RETURNS: the tag of the token, or None if an entity starts or ends between the words.
    """
    first, *others = tags
    inside = f"I-{first[2:]}" if first[2:] else first
    return first if all(tag == inside for tag in others) else None


def remove_entity(tags: list[str], position: int) -> None:
    """Treat a token, its entity and the entity that continues after it as missing, in place.

    tags: tags in IOB2.
    position: the position of the token.
    """
    start = end = position
    while tags[start].startswith("I-"):
        start -= 1
    while end + 1 < len(tags) and tags[end + 1].startswith("I-"):
        end += 1
    tags[start : end + 1] = [""] * (end + 1 - start)


def _split(tag: str) -> tuple[str, str]:
    """Return the prefix of a tag, in the letters of BILUO, and its label; ("O", "") if outside, ("", "") if missing."""
    match = TAG.fullmatch(tag)
    if match is None:
        return (tag if tag == OUTSIDE else ""), ""
    return {"E": "L", "S": "U"}.get(match["prefix"], match["prefix"]), match["label"]
