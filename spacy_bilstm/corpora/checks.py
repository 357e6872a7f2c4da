"""Find out what a pipeline could not learn from a corpus."""

from __future__ import annotations

from collections.abc import Sequence

from spacy.tokens import Doc

from .statistics import CorpusStatistics

ANNOTATION = ("ENT_IOB", "TAG", "POS", "MORPH", "LEMMA", "DEP")
# Training reads a document as a whole, so that longer ones leave few and slow steps.
LONG = 10_000


def check_docs(docs: Sequence[Doc], statistics: CorpusStatistics) -> list[str]:
    """Find out what a pipeline could not learn from a corpus.

    docs: the corpus, at least one doc.
    statistics: its statistics.
    RETURNS: a message for each gap, with what to check or change.
    """
    messages = []
    annotated = any(doc.cats or any(map(doc.has_annotation, ANNOTATION)) for doc in docs)
    has_boundaries = any((doc.to_array("SENT_START")[1:] == 1).any() for doc in docs)
    if not annotated and not has_boundaries:
        messages.append(
            "Nothing is annotated: there are no entities, tags, lemmas, trees or categories. A pipeline would learn "
            "nothing. Check the format and the names of the keys or columns."
        )
    if not statistics.entities and any(token.ent_iob for doc in docs for token in doc):
        messages.append("No token is in an entity, although entities are annotated. Check the tags or spans.")
    if statistics.entities and not any(token.ent_iob == 2 for doc in docs for token in doc):
        messages.append(
            "No token is annotated as outside an entity, so an entity recogniser would find entities everywhere. Tag "
            "the other tokens O."
        )
    if statistics.n_sentences and not has_boundaries:
        messages.append(
            "Every document has one sentence. A senter or parser would never see where a sentence ends, and other "
            "components would see short texts only. Group the sentences, such as with --sentences-per-doc 10."
        )
    long = [len(doc) for doc in docs if len(doc) > LONG]
    if long:
        messages.append(
            f"{len(long):,} {'document has' if len(long) == 1 else 'documents have'} more than {LONG:,} tokens, up to "
            f"{max(long):,}. Training on them is slow. Limit their length, such as with --sentences-per-doc 50."
        )
    return messages
