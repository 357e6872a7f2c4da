"""Find the entities in the MISC column of CoNLL-U files.

They are tags, such as `NER=B-PER`, `name=I-ORG` or `ner=S-LOC`, or the brackets of mentions, such as
`Entity=(1-person-new` and `Entity=1)` in the treebanks of CorefUD and GUM. A token without the key of the tags has no
entity annotation, which differs from `NER=O`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from .conllu import Sentence, Word
from .corpus_file import CorpusFile
from .spans import TokenSpan, tag_longest
from .tags import OUTSIDE, Scheme, detect_scheme, is_tag, to_iob2

TAG_KEY = "NER"
OTHER_TAG_KEYS = ("ner", "name", "NE", "ne")
BRACKET_KEY = "Entity"
# The comment that names the fields of a mention.
FIELDS = "global.Entity"
BRACKET = re.compile(r"\((?P<opened>[^()]*)(?P<single>\))?|(?P<closed>[^()]+)\)")
MENTION_ID = re.compile(r"e?[0-9]+")
DISCONTINUOUS = re.compile(r".*\[[0-9]+/[0-9]+\]")


def assign_entities(sentences: Sequence[Sentence], file: CorpusFile, scheme: Scheme | None) -> None:
    """Set the entity tags of the words of a CoNLL-U file.

    sentences: the sentences of the file.
    file: the file. Invalid tags and unmatched brackets are warnings, and their annotation is missing. If the file has
        several keys with tags, a warning says which is read. Of mentions that overlap, the longest become tags.
    scheme: the scheme of the tags; None detects IOB2 or BILUO.
    """
    words = [word for sentence in sentences for word in sentence.words]
    keys = _find_tag_keys(words)
    if keys:
        _assign_tags(sentences, keys[0], file, scheme)
    elif any(BRACKET_KEY in word.misc for word in words):
        _assign_mentions(sentences, file)
        keys = [BRACKET_KEY]
    unread = [key for key in (*keys, BRACKET_KEY) if key not in keys[:1] and any(key in word.misc for word in words)]
    if unread:
        file.warn(None, f"the entities are read from '{keys[0]}' in MISC, and not from {_join(unread)}.")


def _find_tag_keys(words: Sequence[Word]) -> list[str]:
    """Return the keys of MISC whose values are entity tags, the most common names first."""
    values: dict[str, Counter[str]] = {}
    for word in words:
        for key, value in word.misc.items():
            values.setdefault(key, Counter())[value] += 1
    found = []
    for key, counts in values.items():
        n_tags = sum(n for value, n in counts.items() if is_tag(value))
        if key == TAG_KEY or (
            2 * n_tags > counts.total() and any(is_tag(value) and value != OUTSIDE for value in counts)
        ):
            found.append(key)
    known = (TAG_KEY, *OTHER_TAG_KEYS)
    return sorted(found, key=lambda key: known.index(key) if key in known else len(known))


def _join(keys: Sequence[str]) -> str:
    return ", ".join(f"'{key}'" for key in keys)


def _assign_tags(sentences: Sequence[Sentence], key: str, file: CorpusFile, scheme: Scheme | None) -> None:
    tags = [[word.misc.get(key, "") for word in sentence.words] for sentence in sentences]
    if scheme is None:  # Few treebanks are IOB1, but in many single entities lack their start.
        scheme = Scheme.biluo if detect_scheme(tags) is Scheme.biluo else Scheme.iob2
    for sentence, raw in zip(sentences, tags, strict=True):
        iob2, invalid = to_iob2(raw, scheme)
        for i, message in invalid:
            file.warn(sentence.words[i].line, message)
        for word, tag in zip(sentence.words, iob2, strict=True):
            word.entity = tag


def _assign_mentions(sentences: Sequence[Sentence], file: CorpusFile) -> None:
    fields: list[str] = []
    for sentence in sentences:
        fields = sentence.comments.get(FIELDS, "").split("-") if FIELDS in sentence.comments else fields
        try:
            sentence.spans = list(dict.fromkeys(_read_mentions(sentence, fields)))
        except ValueError as error:
            file.warn(sentence.start, f"{error}. The entities of this sentence are missing.")
            continue
        tags = [OUTSIDE] * len(sentence.words)
        tag_longest(sentence.spans, tags)
        for word, tag in zip(sentence.words, tags, strict=True):
            word.entity = tag


def _read_mentions(sentence: Sentence, fields: Sequence[str]) -> Iterator[TokenSpan]:
    """Yield the span of each mention that has a label and no gaps."""
    opened: dict[str, list[tuple[int, str]]] = {}
    for i, word in enumerate(sentence.words):
        for bracket in BRACKET.finditer(word.misc.get(BRACKET_KEY, "")):
            mention_id, label = _read_fields((bracket["opened"] or bracket["closed"] or "").split("-"), fields)
            if bracket["closed"] is not None:
                if not opened.get(mention_id):
                    raise ValueError(f"the mention '{mention_id}' ends without a start at '{word.form}'")
                start, label = opened[mention_id].pop()
            elif not bracket["single"]:
                opened.setdefault(mention_id, []).append((i, label))
                continue
            else:
                start = i
            if label and not DISCONTINUOUS.match(mention_id):
                yield TokenSpan(start, i + 1, label)
    unclosed = [mention_id for mention_id, starts in opened.items() if starts]
    if unclosed:
        raise ValueError(f"the mention '{unclosed[0]}' has no end")


def _read_fields(values: Sequence[str], names: Sequence[str]) -> tuple[str, str]:
    """Return the id and the type of a mention."""
    named = dict(zip(names, values, strict=False))
    if "etype" in named:
        return named.get("GRP", named.get("eid", "")), named["etype"]
    ids = [value for value in values if MENTION_ID.match(value)]
    labels = [value for value in values if value and not MENTION_ID.match(value)]
    return (ids or list(values))[0], (labels or [""])[0]
