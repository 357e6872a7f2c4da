"""What a corpus holds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from spacy.tokens import Doc


def count_corpus(docs: Sequence[Doc], known_words: Collection[str] | None = None) -> list[tuple[str, str]]:
    """Count what a corpus holds.

    docs: the corpus, one doc a sentence or a text.
    known_words: the words of another corpus, such as the one that a pipeline is trained on.
    RETURNS: rows of a table: the docs, tokens, types and tags; the entities and categories of each label; the docs
        without entity annotation, if others have it; the share of tokens and types not among the known words.
    """
    words = Counter(token.text for doc in docs for token in doc)
    tags = {token.tag_ for doc in docs for token in doc if token.tag_}
    rows = [("Sentences", len(docs)), ("Tokens", words.total()), ("Types", len(words)), ("Tags", len(tags))]
    rows += _count_entities(docs)
    cats = Counter(label for doc in docs for label, score in doc.cats.items() if score >= 0.5)
    rows += [(f"Category {label}", cats[label]) for label in sorted({label for doc in docs for label in doc.cats})]
    table = [(name, f"{n:,}") for name, n in rows]
    if known_words is not None:
        unseen = {word: n for word, n in words.items() if word not in known_words}
        table.append(("Unseen tokens", f"{100 * sum(unseen.values()) / words.total():.1f} %"))
        table.append(("Unseen types", f"{100 * len(unseen) / len(words):.1f} %"))
    return table


def _count_entities(docs: Sequence[Doc]) -> list[tuple[str, int]]:
    entities = Counter(ent.label_ for doc in docs for ent in doc.ents)
    rows = [(f"Entities {label}", n) for label, n in sorted(entities.items())]
    n_missing = sum(any(token.ent_iob == 0 for token in doc) for doc in docs)
    if 0 < n_missing < len(docs):
        rows.append(("Sentences with missing entities", n_missing))
    return rows
