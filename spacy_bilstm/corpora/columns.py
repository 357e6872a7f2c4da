"""Read files with a token and its tags in each line, such as those of CoNLL-2003, WNUT and Universal NER.

Tabs separate the columns or, in a file without tabs, spaces. An empty line or `-DOCSTART-` ends a sentence. Lines such
as `# key = value` before a sentence are comments. The columns are detected. The tokens are in the first column, or in
the second one if the first numbers them; the entity tags are in the last column of tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from spacy.language import Language

from .corpus_file import CorpusFile
from .docs import AnnotatedText, find_spaces
from .tags import Scheme, detect_scheme, is_tag, to_iob2

COMMENT = re.compile(r"#\s*(\S+\s+=(\s|$)|newdoc\b|newpar\b)")
NUMBER = re.compile(r"\d+([-.]\d+)?")
DOCUMENT_START = "-DOCSTART-"
Row = tuple[int, list[str]]


@dataclass
class TaggedSentence:
    """A sentence of a file in columns.

    start: number of its first line in the file, from 1.
    comments: its `# key = value` lines.
    words, tags: the form and the entity tag of each token, in IOB2, "" if it is missing.
    """

    start: int
    comments: dict[str, str]
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def read_columns(file: CorpusFile, nlp: Language, scheme: Scheme | None) -> Iterator[AnnotatedText]:
    """Read the sentences of a file in columns.

    file: the file, which records the problems.
    nlp: not used; the file has its own tokens.
    scheme: the scheme of the tags; None detects it.
    RETURNS: the sentences, in order. Their spaces are those of the comment `# text`; without it, a space follows each
        token but the last.
    """
    for sentence in file.track(read_tagged_sentences(file, scheme), "Convert"):
        if sentence.words:
            yield _annotate(sentence, file)


def read_tagged_sentences(file: CorpusFile, scheme: Scheme | None = None) -> list[TaggedSentence]:
    """Read the tokens and entity tags of a file in columns.

    file: the file. A file without a column of tags and a row without a token are errors. A row without a tag and an
        invalid tag are warnings; the annotation of the token is then missing.
    scheme: the scheme of the tags; None detects it.
    RETURNS: the sentences, in order, with the rows that could be read.
    """
    blocks = list(_split_blocks(file.lines))
    rows = [row for _, _, block in blocks for row in block]
    if not rows:
        return []
    numbered = all(_is_numbered(block) for _, _, block in blocks)
    if numbered:  # Ranges and decimals number the multiword tokens and empty nodes of CoNLL-U.
        blocks = [(start, comments, [row for row in block if row[1][0].isdigit()]) for start, comments, block in blocks]
    tag_column = _find_tag_column([fields for _, fields in rows], first=2 if numbered else 1)
    if tag_column is None:
        file.error(
            rows[0][0],
            "no column contains entity tags such as O, B-PER and I-PER. Add one, or choose another format.",
        )
        return []
    tags = [[_get_tag(fields, tag_column) for _, fields in block] for _, _, block in blocks]
    scheme = scheme or detect_scheme(tags)
    return [
        _read_block(TaggedSentence(start, comments), block, block_tags, scheme, int(numbered), file)
        for (start, comments, block), block_tags in zip(blocks, tags, strict=True)
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
    )


def _split_blocks(lines: Sequence[str]) -> Iterator[tuple[int, dict[str, str], list[Row]]]:
    """Yield the first line, the comments and the rows of each sentence."""
    has_tabs = any("\t" in line for line in lines)
    start, comments, rows = 0, dict[str, str](), list[Row]()
    for number, line in enumerate([*lines, ""], start=1):
        if not line.strip() or line.startswith(DOCUMENT_START):
            if rows:
                yield start, comments, rows
            start, comments, rows = 0, {}, []
            continue
        start = start or number
        # Tokens of tweets start with "#" too, so "#" alone does not make a comment.
        is_remark = has_tabs and line.startswith("# ") and "\t" not in line
        if not rows and (is_remark or COMMENT.match(line)):
            key, _, value = line[1:].partition("=")
            comments[key.strip()] = value.strip()
        else:
            rows.append((number, line.split("\t") if has_tabs else line.split()))


def _is_numbered(block: list[Row]) -> bool:
    """Return whether the first column numbers the tokens from 1, as in CoNLL-U."""
    ids = [fields[0] for _, fields in block]
    words = [id_ for id_ in ids if id_.isdigit()]
    return words == [str(i + 1) for i in range(len(words))] and all(NUMBER.fullmatch(id_) for id_ in ids)


def _find_tag_column(rows: list[list[str]], first: int) -> int | None:
    """Return the last column whose fields are mostly entity tags."""
    width = max(len(fields) for fields in rows)
    for column in range(width - 1, first - 1, -1):
        tags = [_get_tag(fields, column) for fields in rows]
        if 2 * sum(map(is_tag, tags)) > len(tags):
            return column
    return None


def _get_tag(fields: list[str], column: int) -> str:
    return fields[column].strip() if column < len(fields) else ""


def _read_block(
    sentence: TaggedSentence, block: list[Row], tags: list[str], scheme: Scheme, form_column: int, file: CorpusFile
) -> TaggedSentence:
    """Add the rows of a sentence to it."""
    iob2, invalid = to_iob2(tags, scheme)
    for i, message in invalid:
        file.warn(block[i][0], message)
    for (number, fields), raw_tag, tag in zip(block, tags, iob2, strict=True):
        form = fields[form_column] if form_column < len(fields) else ""
        if not form.strip():
            file.error(number, "this row has no token. Add the token or remove the row.")
            continue
        if raw_tag == "":
            file.warn(number, f"the token '{form}' has no tag. Its annotation is treated as missing.")
        sentence.words.append(form)
        sentence.tags.append(tag)
    return sentence
