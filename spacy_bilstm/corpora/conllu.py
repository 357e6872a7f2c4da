"""Read the sentences of CoNLL-U files.

The format: https://universaldependencies.org/format.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from spacy.parts_of_speech import IDS as UPOS

from .blocks import DOCUMENT, PARAGRAPH, is_empty
from .corpus_file import CorpusFile
from .spans import TokenSpan

N_COLUMNS = 10
UNKNOWN = "_"
ID = re.compile(r"(?P<word>[1-9][0-9]{0,8})|(?P<first>[1-9][0-9]{0,8})-(?P<last>[1-9][0-9]{0,8})|[0-9]+\.[0-9]+")
HEAD = re.compile(r"0|[1-9][0-9]{0,8}|_")
FEATS = re.compile(r"_|[^=|]+=[^=|]+(\|[^=|]+=[^=|]+)*")


@dataclass
class Word:
    """A word of a sentence, or a multiword token that its words do not spell.

    id: its number in the sentence, from 1.
    form to deprel: its columns.
    misc: the keys and values of its MISC column.
    space_after: whether a space follows it.
    line: number of its line in the file, from 1.
    entity: its entity tag in IOB2, "" if it is missing. The MISC column or another file provides it.
    """

    id: int
    form: str
    lemma: str
    upos: str
    xpos: str
    feats: str
    head: str
    deprel: str
    misc: dict[str, str]
    space_after: bool
    line: int
    entity: str = ""


@dataclass
class Sentence:
    """A sentence of a CoNLL-U file.

    start: number of its first line in the file, from 1.
    comments: its `# key = value` lines.
    words: its words, without empty nodes.
    multiword_tokens: for each multiword token, the ids of its first and last word, its form and whether a space
        follows it.
    starts_document, starts_paragraph: whether the file marks the start of a document or paragraph before it.
    spans: its entities as spans of words, also those that overlap others; None if they are those of the words' tags.
    """

    start: int
    comments: dict[str, str] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    multiword_tokens: list[tuple[int, int, str, bool]] = field(default_factory=list)
    starts_document: bool = False
    starts_paragraph: bool = False
    spans: list[TokenSpan] | None = None


def read_sentences(file: CorpusFile) -> Iterator[Sentence]:
    """Read the sentences of a CoNLL-U file.

    file: the file. A sentence that is not CoNLL-U is an error. An invalid part of speech, feature or tree is a warning
        and treated as missing.
    RETURNS: the sentences without errors, in order. Their entities are missing.
    """
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*file.track(file.lines, "Read"), ""], start=1):
        if not is_empty(line):
            block.append((number, line))
        elif block:
            sentence = _read_block(block, file)
            if sentence is not None:
                yield sentence
            block = []


def _read_block(block: list[tuple[int, str]], file: CorpusFile) -> Sentence | None:
    """Read the lines of a sentence; return None if they have an error."""
    n_errors = len(file.problems.errors)
    sentence = Sentence(start=block[0][0])
    for number, line in block:
        if line.startswith("#"):
            _read_comment(sentence, line[1:].strip(" \t"))
        else:
            _read_row(sentence, line, number, file)
    if len(file.problems.errors) == n_errors:
        _check_words(sentence, file)
    if len(file.problems.errors) > n_errors:
        return None
    _remove_invalid_tree(sentence, file)
    return sentence


def _read_comment(sentence: Sentence, comment: str) -> None:
    key, separator, value = comment.partition("=")
    if separator:
        sentence.comments[key.strip()] = value.strip()
    sentence.starts_document |= DOCUMENT.match(comment) is not None
    sentence.starts_paragraph |= PARAGRAPH.match(comment) is not None


def _read_row(sentence: Sentence, line: str, number: int, file: CorpusFile) -> None:
    columns = line.split("\t")
    if len(columns) != N_COLUMNS:
        return file.error(
            number, f"this line has {len(columns)} columns. CoNLL-U needs {N_COLUMNS}, separated by tabs."
        )
    if not all(columns):
        return file.error(number, "a column is empty. Write '_' for missing annotation.")
    id_, form, lemma, upos, xpos, feats, head, deprel, _, misc_column = columns
    misc = dict(key_value.partition("=")[::2] for key_value in misc_column.split("|"))
    space_after = misc.get("SpaceAfter") != "No"
    match = ID.fullmatch(id_)
    if match is None:
        return file.error(number, f"the id '{id_}' is not a number. Ids are such as 1, 1-2 or 1.1.")
    if match["first"]:
        sentence.multiword_tokens.append((int(match["first"]), int(match["last"]), form, space_after))
        return None
    if not match["word"]:  # An empty node is not part of the text.
        return None
    if not HEAD.fullmatch(head):
        return file.error(number, f"the head '{head}' is not a number. Heads are 0, the id of a word, or '_'.")
    if upos != UNKNOWN and upos not in UPOS:
        file.warn(number, f"'{upos}' is not a universal part of speech. It is treated as missing.")
        upos = UNKNOWN
    if not FEATS.fullmatch(feats):
        file.warn(number, f"the features '{feats}' are not like Case=Nom|Number=Sing. They are treated as missing.")
        feats = UNKNOWN
    sentence.words.append(Word(int(id_), form, lemma, upos, xpos, feats, head, deprel, misc, space_after, number))
    return None


def _check_words(sentence: Sentence, file: CorpusFile) -> None:
    n_words = len(sentence.words)
    if not n_words:
        file.error(sentence.start, "this sentence has no words. Remove its lines.")
    for expected, word in enumerate(sentence.words, start=1):
        if word.id != expected:
            return file.error(word.line, f"the id is {word.id} instead of {expected}. Number the words from 1.")
    for first, last, form, _ in sentence.multiword_tokens:
        if not 1 <= first < last <= n_words:
            file.error(
                sentence.start,
                f"the multiword token '{form}' has the range {first}-{last}, but the words of the sentence are 1 to "
                f"{n_words}. Correct the range.",
            )
    ranges = sorted((first, last, form) for first, last, form, _ in sentence.multiword_tokens)
    for (_, last, form), (first, _, other) in pairwise(ranges):
        if first <= last:
            file.error(
                sentence.start, f"the multiword tokens '{form}' and '{other}' share word {first}. Correct a range."
            )
    return None


def _remove_invalid_tree(sentence: Sentence, file: CorpusFile) -> None:
    """Treat heads and relations that are not a tree as missing."""
    heads = [word.head for word in sentence.words]
    if all(head == UNKNOWN for head in heads):
        return
    position = _find_word_without_root(heads)
    if position is None:
        return
    word = sentence.words[position]
    file.warn(
        word.line, f"the head {word.head} does not lead to the root. The tree of the sentence is treated as missing."
    )
    for word in sentence.words:
        word.head = word.deprel = UNKNOWN


def _find_word_without_root(heads: list[str]) -> int | None:
    """Return the position of the first word whose heads do not lead to the root, or None."""
    safe = {"0"}
    for i in range(len(heads)):
        path: set[str] = set()
        node = str(i + 1)
        while node not in safe:
            if node in path or node == UNKNOWN or int(node) > len(heads):
                return i
            path.add(node)
            node = heads[int(node) - 1]
        safe |= path
    return None
