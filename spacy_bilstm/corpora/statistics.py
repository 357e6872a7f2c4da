"""Count the documents, sentences, words, entities and categories of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from spacy.tokens import Doc

from .spans import count_overlapping


@dataclass(frozen=True)
class CorpusStatistics:
    """The statistics of a corpus.

    n_docs, n_tokens, n_types, n_tags: number of docs, tokens, distinct words and distinct part-of-speech tags.
    n_sentences: number of annotated sentence starts; 0 if sentences are not annotated.
    entities, categories: number of entities of each label, and of docs in each category (a score of at least 0.5).
    n_docs_with_missing_entities: number of docs with tokens that have no entity annotation.
    spans: number of spans of each label in each group of `doc.spans`.
    n_overlapping_spans: number of these that share a token with another span of their group.
    longest_span: number of tokens of the longest of these.
    unseen_tokens, unseen_types: share of tokens and of distinct words that another corpus does not have, from 0 to 1;
        None without another corpus.
    """

    n_docs: int
    n_sentences: int
    n_tokens: int
    n_types: int
    n_tags: int
    entities: dict[str, int]
    categories: dict[str, int]
    n_docs_with_missing_entities: int
    spans: dict[str, dict[str, int]] = field(default_factory=dict)
    n_overlapping_spans: int = 0
    longest_span: int = 0
    unseen_tokens: float | None = None
    unseen_types: float | None = None

    def to_rows(self) -> list[tuple[str, str]]:
        """Return the statistics as the rows of a table.

        RETURNS: the name and the value of each, without the shares of unseen words that are None.
        """
        counts = [("Tokens", self.n_tokens), ("Types", self.n_types), ("Tags", self.n_tags)]
        counts += [(f"Entities {label}", n) for label, n in self.entities.items()]
        if self.n_docs_with_missing_entities:
            counts.append(("Documents with missing entities", self.n_docs_with_missing_entities))
        for key, labels in self.spans.items():
            counts += [(f"Spans {label} in {key}", n) for label, n in labels.items()]
        if self.spans:
            counts += [("Overlapping spans", self.n_overlapping_spans), ("Longest span", self.longest_span)]
        counts += [(f"Category {label}", n) for label, n in self.categories.items()]
        shares = [("Unseen tokens", self.unseen_tokens), ("Unseen types", self.unseen_types)]
        return [
            ("Documents", f"{self.n_docs:,}"),
            ("Sentences", f"{self.n_sentences:,}" if self.n_sentences else "not annotated"),
            *((name, f"{n:,}") for name, n in counts),
            *((name, f"{100 * share:.1f} %") for name, share in shares if share is not None),
        ]


def count_corpus(docs: Sequence[Doc], seen_words: Collection[str] | None = None) -> CorpusStatistics:
    """Count the documents, sentences, words, entities and categories of a corpus.

    docs: the corpus, with at least one token.
    seen_words: the words of another corpus, such as the one that a pipeline is trained on.
    RETURNS: the statistics.
    """
    words = Counter(token.text for doc in docs for token in doc)
    entities = Counter(ent.label_ for doc in docs for ent in doc.ents)
    categories = dict.fromkeys(sorted({label for doc in docs for label in doc.cats}), 0)
    for doc in docs:
        for label, score in doc.cats.items():
            categories[label] += score >= 0.5
    unseen = None if seen_words is None else {word: n for word, n in words.items() if word not in seen_words}
    return CorpusStatistics(
        n_docs=len(docs),
        n_sentences=_count_sentences(docs),
        n_tokens=words.total(),
        n_types=len(words),
        n_tags=len({token.tag_ for doc in docs for token in doc if token.tag_}),
        entities=dict(sorted(entities.items())),
        categories=categories,
        n_docs_with_missing_entities=sum(any(token.ent_iob == 0 for token in doc) for doc in docs),
        spans=_count_spans(docs),
        longest_span=max((len(span) for doc in docs for group in doc.spans.values() for span in group), default=0),
        n_overlapping_spans=sum(count_overlapping(group) for doc in docs for group in doc.spans.values()),
        unseen_tokens=None if unseen is None else sum(unseen.values()) / words.total(),
        unseen_types=None if unseen is None else len(unseen) / len(words),
    )


def _count_spans(docs: Sequence[Doc]) -> dict[str, dict[str, int]]:
    groups: dict[str, Counter[str]] = {}
    for doc in docs:
        for key, group in doc.spans.items():
            groups.setdefault(key, Counter()).update(span.label_ for span in group)
    return {key: dict(sorted(counts.items())) for key, counts in sorted(groups.items())}


def _count_sentences(docs: Sequence[Doc]) -> int:
    """Count the annotated sentences; spaCy takes a doc with a single token for annotated."""
    if not any(len(doc) > 1 and doc.has_annotation("SENT_START") for doc in docs):
        return 0
    return sum(int((doc.to_array("SENT_START") == 1).sum()) for doc in docs if doc.has_annotation("SENT_START"))
