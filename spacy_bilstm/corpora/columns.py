"""Read files with a token and its tags in each line, such as those of CoNLL-2003, WNUT and Universal NER.

Tabs separate the columns or, in a file where most lines have no tab, spaces. An empty line or `-DOCSTART-` ends a
sentence. Lines such as `# key = value` before a sentence are comments. The tokens are in the first column, or in the
second one if the first numbers them; the entity tags are in the last column of tags. Entities that overlap have further
columns of tags, with some of the same labels; other tags, such as chunks, are not read. Each row has the same number of
columns. Where tabs separate the columns and the tokens are numbered, as in Universal NER, a row may leave out columns
after the tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from spacy.language import Language

from ..util.char_tokenizer import CharTokenizer
from .blocks import Block, Row, find_width, split_blocks
from .corpus_file import CorpusFile
from .docs import AnnotatedText, find_spaces
from .spans import TokenSpan, find_spans, tag_longest
from .tags import TAG, Scheme, detect_scheme, is_tag, to_iob2

WORD_NUMBER = re.compile(r"[0-9]+")
NUMBER = re.compile(r"[0-9]+([-.][0-9]+)?")


@dataclass
class TaggedSentence:
    """A sentence of a file in columns.

    start: number of its first line in the file, from 1.
    comments: its `# key = value` lines.
    words, tags: the form and the entity tag of each token, in IOB2, "" if it is missing.
    starts_document, starts_paragraph: whether the file marks the start of a document or paragraph before it.
    spans: the entities of all columns of tags; None if there is one column. The tags are those of the longest.
    """

    start: int
    comments: dict[str, str]
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    starts_document: bool = False
    starts_paragraph: bool = False
    spans: list[TokenSpan] | None = None


def read_columns(file: CorpusFile, nlp: Language, scheme: Scheme | None) -> Iterator[AnnotatedText]:
    """Read the sentences of a file in columns.

    file: the file, which records the problems.
    nlp: tells by its tokenizer whether the tokens are single characters. The file has its own tokens.
    scheme: the scheme of the tags; None detects it.
    RETURNS: the sentences, in order. Their spaces are those of the comment `# text`; without it, a space follows each
        token, or none if the tokens are single characters.
    """
    for sentence in file.track(read_tagged_sentences(file, scheme), "Convert"):
        if sentence.words:
            yield _annotate(sentence, file, spaced=not isinstance(nlp.tokenizer, CharTokenizer))


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
    tag_columns = _find_tag_columns(blocks, width, first=2 if numbered else 1)
    if not tag_columns:
        file.error(
            _find_first_row(blocks, width).line,
            "no column contains entity tags such as O, B-PER and I-PER. Add one, or choose another format.",
        )
        return []
    min_width = tag_columns[-1] + 1 if numbered and separator == "\t" else None
    for block in blocks:
        block.rows = [row for row in block.rows if _check_width(row, width, min_width, separator, file)]
        if numbered:  # Ranges and decimals number the multiword tokens and empty nodes of CoNLL-U.
            block.rows = [row for row in block.rows if WORD_NUMBER.fullmatch(row.fields[0])]
    layers = [[row.fields[column] for row in block.rows] for column in tag_columns for block in blocks]
    scheme = scheme or detect_scheme(layers)
    return [_read_block(block, tag_columns, scheme, int(numbered), file) for block in blocks]


def _annotate(sentence: TaggedSentence, file: CorpusFile, spaced: bool) -> AnnotatedText:
    spaces = [spaced] * (len(sentence.words) - 1) + [False]
    text = sentence.comments.get("text")
    if text is not None:
        spaces_of_text = find_spaces(sentence.words, text)
        if spaces_of_text is None:
            file.warn(
                sentence.start,
                f"the words do not spell the '# text', '{text}'. The Doc has {'a' if spaced else 'no'} space "
                "after each token but the last.",
            )
        else:
            spaces = spaces_of_text
    return AnnotatedText(
        line=sentence.start,
        words=sentence.words,
        spaces=spaces,
        entities=sentence.tags,
        spans=sentence.spans,
        sent_starts=[i == 0 for i in range(len(sentence.words))],
        starts_document=sentence.starts_document,
        starts_paragraph=sentence.starts_paragraph,
    )


def _is_numbered(block: Block) -> bool:
    """Return whether the first column numbers the tokens from 1, as in CoNLL-U."""
    ids = [row.fields[0] for row in block.rows]
    words = [id_ for id_ in ids if WORD_NUMBER.fullmatch(id_)]
    return words == [str(i + 1) for i in range(len(words))] and all(NUMBER.fullmatch(id_) for id_ in ids)


def _find_tag_columns(blocks: Sequence[Block], width: int, first: int) -> list[int]:
    """Return the last column whose fields are mostly entity tags, and those before it that share a label with it."""
    rows = [row.fields for block in blocks for row in block.rows if len(row.fields) == width]
    labels = {
        column: {match["label"] for fields in rows if (match := TAG.fullmatch(fields[column]))}
        for column in range(first, width)
        if 2 * sum(is_tag(fields[column]) for fields in rows) > len(rows)
    }
    if not labels:
        return []
    last = max(labels)
    return [column for column in labels if column == last or labels[column] & labels[last]]


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


def _read_block(
    block: Block, tag_columns: Sequence[int], scheme: Scheme, form_column: int, file: CorpusFile
) -> TaggedSentence:
    sentence = TaggedSentence(
        block.start,
        block.comments,
        starts_document=block.starts_document,
        starts_paragraph=block.starts_paragraph,
    )
    for row in block.rows:
        form = row.fields[form_column]
        if not form:
            file.error(row.line, "this row has no token. Add the token or remove the row.")
        elif not all(row.fields[column] for column in tag_columns):
            file.warn(row.line, f"the token '{form}' has no tag. Its annotation is treated as missing.")
    block.rows = [row for row in block.rows if row.fields[form_column]]
    sentence.words = [row.fields[form_column] for row in block.rows]
    layers = [_read_tags(block, column, scheme, file) for column in tag_columns]
    sentence.tags = layers[-1]
    if len(layers) > 1:
        sentence.spans = sorted({span for layer in layers for span in find_spans(layer)})
        sentence.tags = ["O" if all(tags) else "" for tags in zip(*layers, strict=True)]
        tag_longest(sentence.spans, sentence.tags)
    return sentence


def _read_tags(block: Block, column: int, scheme: Scheme, file: CorpusFile) -> list[str]:
    """Return the tags of a column in IOB2."""
    iob2, invalid = to_iob2([row.fields[column] for row in block.rows], scheme)
    for i, message in invalid:
        file.warn(block.rows[i].line, message)
    return iob2
