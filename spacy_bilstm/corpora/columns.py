"""Read files with a token and its tags in each line, such as those of CoNLL-2003, WNUT and Universal NER.

Tabs separate the columns or, in a file where most lines have no tab, spaces. An empty line or `-DOCSTART-` ends a
sentence. Lines such as `# key = value` before a sentence are comments. The tokens are in the first column, or in the
second one if the first numbers them; the entity tags are in the last column of tags. Each row has the same number of
columns. Where tabs separate the columns and the tokens are numbered, as in Universal NER, a row may leave out columns
after the tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from spacy.language import Language

from .blocks import Block, Row, find_width, split_blocks
from .corpus_file import CorpusFile
from .docs import AnnotatedText, find_spaces
from .tags import Scheme, detect_scheme, is_tag, to_iob2

WORD_NUMBER = re.compile(r"[0-9]+")
NUMBER = re.compile(r"[0-9]+([-.][0-9]+)?")


@dataclass
class TaggedSentence:
    """A sentence of a file in columns.

    start: number of its first line in the file, from 1.
    comments: its `# key = value` lines.
    words, tags: the form and the entity tag of each token, in IOB2, "" if it is missing.
    starts_document, starts_paragraph: whether the file marks the start of a document or paragraph before it.
    """

    start: int
    comments: dict[str, str]
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    starts_document: bool = False
    starts_paragraph: bool = False


def read_columns(file: CorpusFile, nlp: Language, scheme: Scheme | None) -> Iterator[AnnotatedText]:
    """Read the sentences of a file in columns.

    file: the file, which records the problems.
    nlp: not used; the file has its own tokens.
    scheme: the scheme of the tags; None detects it.
    RETURNS: the sentences, in order. Their spaces are those of the comment `# text`; without it, a space follows each
        token.
    """
    for sentence in file.track(read_tagged_sentences(file, scheme), "Convert"):
        if sentence.words:
            yield _annotate(sentence, file)


def read_tagged_sentences(file: CorpusFile, scheme: Scheme | None = None) -> list[TaggedSentence]:
    """Read the tokens and entity tags of a file in columns.

    file: the file. A file without a column of tags, a row with another number of columns and a row without a token are
        errors. A row without a tag and an invalid tag are warnings; the annotation of the token is then missing.
    scheme: the scheme of the tags; None detects it.
    RETURNS: the sentences, in order, with the rows that could be read.
    """
    blocks, separator = split_blocks(file.lines)
    if not blocks:
        return []
    numbered = all(_is_numbered(block) for block in blocks)
    width = find_width(blocks)
    tag_column = _find_tag_column(blocks, width, first=2 if numbered else 1)
    if tag_column is None:
        file.error(
            _find_first_row(blocks, width).line,
            "no column contains entity tags such as O, B-PER and I-PER. Add one, or choose another format.",
        )
        return []
    min_width = tag_column + 1 if numbered and separator == "\t" else None
    for block in blocks:
        block.rows = [row for row in block.rows if _check_width(row, width, min_width, separator, file)]
        if numbered:  # Ranges and decimals number the multiword tokens and empty nodes of CoNLL-U.
            block.rows = [row for row in block.rows if WORD_NUMBER.fullmatch(row.fields[0])]
    tags = [[row.fields[tag_column] for row in block.rows] for block in blocks]
    scheme = scheme or detect_scheme(tags)
    return [
        _read_block(block, block_tags, scheme, int(numbered), file)
        for block, block_tags in zip(blocks, tags, strict=True)
    ]


def _annotate(sentence: TaggedSentence, file: CorpusFile) -> AnnotatedText:
    spaces = [True] * (len(sentence.words) - 1) + [False]
    text = sentence.comments.get("text")
    if text is not None:
        spaces_of_text = find_spaces(sentence.words, text)
        if spaces_of_text is None:
            file.warn(
                sentence.start,
                f"the words do not spell the '# text', '{text}'. The Doc has a space after each token but the last.",
            )
        else:
            spaces = spaces_of_text
    return AnnotatedText(
        line=sentence.start,
        words=sentence.words,
        spaces=spaces,
        entities=sentence.tags,
        sent_starts=[i == 0 for i in range(len(sentence.words))],
        starts_document=sentence.starts_document,
        starts_paragraph=sentence.starts_paragraph,
    )


def _is_numbered(block: Block) -> bool:
    """Return whether the first column numbers the tokens from 1, as in CoNLL-U."""
    ids = [row.fields[0] for row in block.rows]
    words = [id_ for id_ in ids if WORD_NUMBER.fullmatch(id_)]
    return words == [str(i + 1) for i in range(len(words))] and all(NUMBER.fullmatch(id_) for id_ in ids)


def _find_tag_column(blocks: Sequence[Block], width: int, first: int) -> int | None:
    """Return the last column whose fields are mostly entity tags."""
    rows = [row.fields for block in blocks for row in block.rows if len(row.fields) == width]
    for column in range(width - 1, first - 1, -1):
        if 2 * sum(is_tag(fields[column]) for fields in rows) > len(rows):
            return column
    return None


def _find_first_row(blocks: Sequence[Block], width: int) -> Row:
    return next(row for block in blocks for row in block.rows if len(row.fields) == width)


def _check_width(row: Row, width: int, min_width: int | None, separator: str, file: CorpusFile) -> bool:
    """Return whether a row has as many columns as the others, or at least `min_width`; record an error otherwise."""
    found = len(row.fields)
    if found == width or (min_width is not None and found >= min_width):
        return True
    fix = "Separate the columns by tabs, and leave none out"
    if separator == " ":
        fix = "Leave no column out. Spaces separate them, unless most lines have a tab, so no token may contain one"
    file.error(row.line, f"this row has {found} column{'s' * (found != 1)}, but most rows have {width}. {fix}.")
    return False


def _read_block(block: Block, tags: list[str], scheme: Scheme, form_column: int, file: CorpusFile) -> TaggedSentence:
    sentence = TaggedSentence(
        block.start,
        block.comments,
        starts_document=block.starts_document,
        starts_paragraph=block.starts_paragraph,
    )
    iob2, invalid = to_iob2(tags, scheme)
    for i, message in invalid:
        file.warn(block.rows[i].line, message)
    for row, raw_tag, tag in zip(block.rows, tags, iob2, strict=True):
        form = row.fields[form_column]
        if not form:
            file.error(row.line, "this row has no token. Add the token or remove the row.")
            continue
        if raw_tag == "":
            file.warn(row.line, f"the token '{form}' has no tag. Its annotation is treated as missing.")
        sentence.words.append(form)
        sentence.tags.append(tag)
    return sentence
