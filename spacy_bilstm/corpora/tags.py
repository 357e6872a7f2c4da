"""Entity tags of any scheme become IOB2, in which an empty tag stands for missing annotation.

Missing is not outside: a token whose tag is wrong or absent is one of which nothing is known.
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
    """Say whether a word is an entity tag of any scheme.

    tag: the word.
    RETURNS: whether it is "O", or a prefix and a label such as "B-PER".
    """
    return tag == OUTSIDE or TAG.fullmatch(tag) is not None


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Tell the scheme of a corpus from its tags.

    sentences: the tags of each sentence.
    RETURNS: `biluo` if any prefix is of that scheme only; else `iob1` if more entities start with I- than with B-; else
        `iob2`.
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
    """Rewrite the entity tags of a sentence in IOB2.

    tags: the tags; "", "-" and "_" are missing annotation.
    scheme: their scheme.
    RETURNS: the tags in IOB2, with "" where annotation is missing or not valid; and what is not valid, as the token's
        position and a message.
    """
    iob2: list[str] = []
    wrong: list[tuple[int, str]] = []
    label = ""  # of the entity that the next token may continue
    broken = ""  # label of an entity without a start: said once
    start = 0

    def leave_open(end: int) -> None:
        """Take an entity that ends without its L- as missing."""
        wrong.append((start, f"the entity that starts with '{tags[start]}' has no end: it is taken as missing."))
        iob2[start:end] = [""] * (end - start)

    for i, tag in enumerate(tags):
        prefix, tag_label = _split(tag)
        continues = prefix in ("I", "L") and tag_label == label != ""
        if scheme is Scheme.biluo and label and not continues:
            leave_open(i)
        if prefix == "" and tag not in MISSING:
            wrong.append((i, f"'{tag}' is not an entity tag, such as O or B-PER: it is taken as missing."))
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
                before = f"'{tags[i - 1]}'" if i else "the sentence's start"
                wrong.append((i, f"'{tag}' follows {before}, so its entity has no start: it is taken as missing."))
            iob2.append("")
            label, broken = "", ("" if prefix == "L" else tag_label)
    if scheme is Scheme.biluo and label:
        leave_open(len(tags))
    return iob2, wrong


def join_tags(tags: Sequence[str]) -> str | None:
    """Give the one tag of words that become one token.

    tags: the words' tags in IOB2.
    RETURNS: the tag, or None if an entity starts or ends between the words.
    """
    first, *others = tags
    inside = f"I-{first[2:]}" if first[2:] else first
    return first if all(tag == inside for tag in others) else None


def take_as_missing(tags: list[str], position: int) -> None:
    """Take a token, its entity and the entity that goes on behind it as missing, in place.

    tags: tags in IOB2.
    position: the token's.
    """
    start = end = position
    while tags[start].startswith("I-"):
        start -= 1
    while end + 1 < len(tags) and tags[end + 1].startswith("I-"):
        end += 1
    tags[start : end + 1] = [""] * (end + 1 - start)


def _split(tag: str) -> tuple[str, str]:
    """Give a tag's prefix, in BILUO's letters, and label; outside and missing have the prefixes "O" and ""."""
    match = TAG.fullmatch(tag)
    if match is None:
        return (tag if tag == OUTSIDE else ""), ""
    return {"E": "L", "S": "U"}.get(match["prefix"], match["prefix"]), match["label"]
