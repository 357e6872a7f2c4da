"""Make spaCy Docs from sentences and texts with annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .corpus_file import CorpusFile


@dataclass
class AnnotatedText:
    """A sentence or a text with its annotation. The readers of all formats yield it.

    Each list has one item per token. Annotation that the file does not have is None, or "" for single tokens.

    line: number of its first line in the file, from 1.
    words, spaces: the form of each token, and whether a space follows it.
    entities: the entity tags in IOB2.
    lemmas, pos, tags, morphs: lemmas, coarse and fine part-of-speech tags, and morphological features.
    heads, deps: the position of each token's head, and the relation to it.
    sent_starts: whether a sentence starts at the token.
    cats: scores of text categories.
    text: the text that the words and spaces should spell, if the file has it.
    """

    line: int
    words: list[str]
    spaces: list[bool]
    entities: list[str]
    lemmas: list[str] | None = None
    pos: list[str] | None = None
    tags: list[str] | None = None
    morphs: list[str] | None = None
    heads: list[int] | None = None
    deps: list[str] | None = None
    sent_starts: list[bool | int | None] | None = None
    cats: dict[str, float] = field(default_factory=dict)
    text: str | None = None


def make_doc(text: AnnotatedText, vocab: Vocab, file: CorpusFile) -> Doc | None:
    """Make a Doc from a sentence or text.

    text: the sentence or text.
    vocab: the vocabulary of the Doc.
    file: the file that the text comes from. Annotation that spaCy rejects is recorded there as an error, words that do
        not spell the text as a warning.
    RETURNS: the Doc, or None after an error.
    """
    try:
        doc = Doc(
            vocab,
            words=text.words,
            spaces=text.spaces,
            lemmas=text.lemmas,
            pos=text.pos,
            tags=text.tags,
            morphs=text.morphs,
            heads=text.heads,
            deps=text.deps,
            sent_starts=text.sent_starts,
            ents=text.entities,
        )
    except ValueError as error:
        file.error(text.line, f"spaCy rejects this annotation: {error}")
        return None
    doc.cats = dict(text.cats)
    if text.text is not None and doc.text != text.text:
        file.warn(
            text.line,
            f"the words spell '{doc.text}', but '# text' is '{text.text}'. The Doc has the text of the words. Correct "
            "the forms or their SpaceAfter=No.",
        )
    return doc


def find_spaces(words: Sequence[str], text: str) -> list[bool] | None:
    """Find the spaces between the words of a text.

    words: the words, in order.
    text: the text.
    RETURNS: for each word whether a space follows; None if the words, each with at most one space after it, do not
        spell the text.
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
