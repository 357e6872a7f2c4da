"""Make spaCy Docs from sentences and texts with annotation."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .corpus_file import CorpusFile
from .spans import TokenSpan

# spaCy's pipelines refuse longer texts by default: https://spacy.io/api/language#attributes
MAX_LENGTH = 1_000_000


@dataclass
class AnnotatedText:
    """A sentence or a text with its annotation. The readers of all formats yield it.

    Each list has one item per token. Annotation that the file does not have is None, or "" for single tokens.

    line: number of its first line in the file, from 1.
    words, spaces: the form of each token, and whether a space follows it within the sentence or text.
    entities: the entity tags in IOB2.
    spans: the entities, also those that overlap others and that have no tags; None if they are those of the tags.
    lemmas, pos, tags, morphs: lemmas, coarse and fine part-of-speech tags, and morphological features.
    heads, deps: the position of each token's head, and the relation to it.
    sent_starts: whether a sentence starts at the token.
    cats: scores of text categories.
    text: the text that the words and spaces should spell, if the file has it.
    starts_document, starts_paragraph: whether the file marks the start of a document or paragraph before it.
    space_after: whether a space follows it in the same paragraph.
    """

    line: int
    words: list[str]
    spaces: list[bool]
    entities: list[str]
    spans: list[TokenSpan] | None = None
    lemmas: list[str] | None = None
    pos: list[str] | None = None
    tags: list[str] | None = None
    morphs: list[str] | None = None
    heads: list[int] | None = None
    deps: list[str] | None = None
    sent_starts: list[bool | int | None] | None = None
    cats: dict[str, float] = field(default_factory=dict)
    text: str | None = None
    starts_document: bool = False
    starts_paragraph: bool = False
    space_after: bool = True


def make_doc(text: AnnotatedText, vocab: Vocab, file: CorpusFile, spans_key: str | None = None) -> Doc | None:
    """Make a Doc from a sentence or text.

    text: the sentence or text.
    vocab: the vocabulary of the Doc.
    file: the file that the text comes from. A text that is too long and annotation that spaCy rejects are recorded
        there as errors, words that do not spell the text as a warning.
    spans_key: the group of `doc.spans` to write all entities to, if entities are annotated; None writes no group.
    RETURNS: the Doc, or None after an error.
    """
    length = sum(map(len, text.words)) + sum(text.spaces)
    if length > MAX_LENGTH:
        file.error(text.line, describe_length(length))
        return None
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
    _set_spans(doc, text.spans, spans_key)
    spelt = doc.text.rstrip(" ")
    if text.text is not None and spelt != text.text.rstrip(" "):
        file.warn(
            text.line,
            f"the words spell '{spelt}', but '# text' is '{text.text}'. {describe_difference(spelt, text.text)} "
            "The Doc has the text of the words. Correct the forms or their SpaceAfter=No.",
        )
    return doc


def _set_spans(doc: Doc, annotated: list[TokenSpan] | None, key: str | None) -> None:
    """Write the group of all entities, and the identifiers of the entities of the Doc."""
    if annotated is None:
        spans = list(doc.ents)
    else:
        spans = [Span(doc, span.start, span.end, span.label, kb_id=span.kb_id) for span in sorted(annotated)]
        linked = {(span.start, span.end, span.label): span for span in spans if span.kb_id}
        doc.set_ents(
            [linked[bounds] for ent in doc.ents if (bounds := (ent.start, ent.end, ent.label)) in linked],
            default="unmodified",
        )
    if key is not None and doc.has_annotation("ENT_IOB"):
        doc.spans[key] = spans


def describe_length(length: int) -> str:
    """Return the message for a text that is too long.

    length: number of its characters.
    RETURNS: the message.
    """
    return f"this text has {length:,} characters, but spaCy's pipelines accept {MAX_LENGTH:,}. Split it."


def describe_difference(words: str, text: str) -> str:
    """Describe the first difference between two texts that may look alike.

    words: the text that the words spell.
    text: another text.
    RETURNS: a sentence with the position, from 1, and the characters.
    """
    pairs = enumerate(zip_longest(words, text), start=1)
    position, (here, there) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
    return f"Character {position} is {_name(here)} in the words and {_name(there)} in '# text'."


def _name(character: str | None) -> str:
    """Return the name of a character, which also tells characters apart that look alike."""
    if character is None:
        return "missing"
    shown = f"'{character}' " if character.isprintable() and character != " " else ""
    name = unicodedata.name(character, "")
    return f"{shown}U+{ord(character):04X}{f' {name}' if name else ''}"


def find_spaces(words: Sequence[str], text: str) -> list[bool] | None:
    """Find the spaces between the words of a text.

    words: the words, in order.
    text: the text.
    RETURNS: for each word whether a space follows; None if the words, each with at most one space after it, do not
        spell the text.
    """
    spaces: list[bool] = []
    position = 0
    for word in words:
        if not text.startswith(word, position):
            return None
        position += len(word)
        spaces.append(text.startswith(" ", position))
        position += spaces[-1]
    return spaces if position == len(text) else None
