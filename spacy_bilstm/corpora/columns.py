"""Files of a token and its tags a line become sentences: CoNLL-2003, WNUT, UNER and their like.

The fields of a line are separated by tabs or, in a file without tabs, by spaces. A sentence ends at an empty line or at
`-DOCSTART-`; `# key = value` lines before it are comments. The file itself tells which columns count: its tokens are in
the first column, or in the second one where the first numbers them; the entity tags are in the last column of tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .problems import Problems
from .tags import Scheme, detect_scheme, is_tag, to_iob2

COMMENT = re.compile(r"#\s*(\S+\s+=(\s|$)|newdoc\b|newpar\b)")
NUMBER = re.compile(r"\d+([-.]\d+)?")
DOCUMENT_START = "-DOCSTART-"
Row = tuple[int, list[str]]


@dataclass
class TaggedSentence:
    """One sentence of a file in columns.

    start: number of its first line in the file, from 1.
    comments: its `# key = value` lines.
    words, tags, lines: of each token its form, its entity tag in IOB2 ("" where it is missing) and its line's number.
    """

    start: int
    comments: dict[str, str]
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_columns(
    lines: Sequence[str], source: str, problems: Problems, scheme: Scheme | None = None
) -> list[TaggedSentence]:
    """Read a file of tokens and entity tags in columns.

    lines: the file's lines.
    source: the file's name, for messages.
    problems: takes up what is wrong: a file without a column of tags and a row without a token are errors; a row
        without a tag and a tag that is not valid are warnings, and their annotation is missing.
    scheme: the scheme of the tags; None tells it from them.
    RETURNS: the sentences, in order; in those with errors, the rows that could be read.
    """
    blocks = list(_split_blocks(lines))
    rows = [row for _, _, block in blocks for row in block]
    if not rows:
        return []
    numbered = all(_is_numbered(block) for _, _, block in blocks)
    if numbered:  # Ranges and decimals are CoNLL-U's multiword tokens and empty nodes.
        blocks = [(start, comments, [row for row in block if row[1][0].isdigit()]) for start, comments, block in blocks]
    tag_column = _find_tag_column([fields for _, fields in rows], first=2 if numbered else 1)
    if tag_column is None:
        problems.error(
            source,
            rows[0][0],
            "no column holds entity tags, such as O, B-PER and I-PER, so this is not a file of tokens and tags.",
        )
        return []
    tags = [[_tag(fields, tag_column) for _, fields in block] for _, _, block in blocks]
    scheme = scheme or detect_scheme(tags)
    return [
        _read_block(TaggedSentence(start, comments), block, block_tags, scheme, int(numbered), source, problems)
        for (start, comments, block), block_tags in zip(blocks, tags, strict=True)
    ]


def tagged_to_doc(sentence: TaggedSentence, vocab: Vocab, source: str, problems: Problems) -> Doc:
    """Make a doc of a sentence.

    sentence: the sentence.
    vocab: the doc's vocabulary.
    source: the file's name, for messages.
    problems: takes up a sentence whose words do not spell its `# text`.
    RETURNS: the doc, with the spaces of the `# text`; without such a comment, with a space between all tokens.
    """
    spaces: list[bool] | None = [True] * (len(sentence.words) - 1) + [False]
    text = sentence.comments.get("text")
    if text is not None:
        from_text = find_spaces(sentence.words, text)
        if from_text is None:
            problems.warn(
                source,
                sentence.start,
                f"the words do not spell the '# text', '{text}': the doc has a space between all tokens.",
            )
        spaces = from_text or spaces
    sent_starts: list[bool | int | None] = [i == 0 for i in range(len(sentence.words))]
    return Doc(vocab, words=sentence.words, spaces=spaces, ents=sentence.tags, sent_starts=sent_starts)


def find_spaces(words: Sequence[str], text: str) -> list[bool] | None:
    """Find where a text has spaces between its words.

    words: the words, in order.
    text: the text.
    RETURNS: whether a space follows, for each word; None if the words do not spell the text, with at most one space
        behind each.
    """
    spaces: list[bool] = []
    rest = text
    for word in words:
        if not rest.startswith(word):
            return None
        rest = rest[len(word) :]
        spaces.append(rest.startswith(" "))
        rest = rest.removeprefix(" ")
    return None if rest else spaces


def _split_blocks(lines: Sequence[str]) -> Iterable[tuple[int, dict[str, str], list[Row]]]:
    """Give each sentence's first line, comments and rows."""
    has_tabs = any("\t" in line for line in lines)
    start, comments, rows = 0, dict[str, str](), list[Row]()
    for number, raw_line in enumerate([*lines, ""], start=1):
        line = raw_line.rstrip("\r\n")
        if not line.strip() or line.startswith(DOCUMENT_START):
            if rows:
                yield start, comments, rows
            start, comments, rows = 0, {}, []
            continue
        start = start or number
        # Tweets have tokens that start with "#", so that alone does not make a comment.
        is_remark = has_tabs and line.startswith("# ") and "\t" not in line
        if not rows and (is_remark or COMMENT.match(line)):
            key, _, value = line[1:].partition("=")
            comments[key.strip()] = value.strip()
        else:
            rows.append((number, line.split("\t") if has_tabs else line.split()))


def _is_numbered(block: list[Row]) -> bool:
    """Say whether the first column numbers the tokens from 1, as in CoNLL-U."""
    ids = [fields[0] for _, fields in block]
    words = [id_ for id_ in ids if id_.isdigit()]
    return words == [str(i + 1) for i in range(len(words))] and all(NUMBER.fullmatch(id_) for id_ in ids)


def _find_tag_column(rows: list[list[str]], first: int) -> int | None:
    """Give the last column in which most fields are entity tags."""
    width = max(len(fields) for fields in rows)
    for column in range(width - 1, first - 1, -1):
        tags = [_tag(fields, column) for fields in rows]
        if 2 * sum(map(is_tag, tags)) > len(tags):
            return column
    return None


def _tag(fields: list[str], column: int) -> str:
    return fields[column].strip() if column < len(fields) else ""


def _read_block(
    sentence: TaggedSentence,
    block: list[Row],
    tags: list[str],
    scheme: Scheme,
    form_column: int,
    source: str,
    problems: Problems,
) -> TaggedSentence:
    iob2, wrong = to_iob2(tags, scheme)
    for i, message in wrong:
        problems.warn(source, block[i][0], message)
    for (number, fields), raw_tag, tag in zip(block, tags, iob2, strict=True):
        form = fields[form_column] if form_column < len(fields) else ""
        if not form.strip():
            problems.error(source, number, "a row without a token.")
            continue
        if raw_tag == "":
            problems.warn(source, number, f"the token '{form}' has no tag: its annotation is missing.")
        sentence.words.append(form)
        sentence.tags.append(tag)
        sentence.lines.append(number)
    return sentence
