"""Computes the scores of a pipeline with their intervals: overall, by label, and for seen and unseen words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from spacy.training import Example

from .annotation import PredictedCorpus
from .bootstrap import Bootstrap, Estimate
from .corpus import SeenInTraining
from .outcomes import (
    ATTRIBUTE_NAMES,
    CategoryOutcomes,
    Count,
    EntityOutcomes,
    Outcomes,
    TokenOutcomes,
    count_arcs,
    count_links,
    count_sentences,
    count_spans,
    count_tokenization,
)


@dataclass(frozen=True)
class Score:
    """A score of the whole corpus.

    name: the name to show.
    estimate: the score and its interval.
    """

    name: str
    estimate: Estimate


@dataclass(frozen=True)
class LabelScores:
    """The scores of one label.

    name: the label.
    n_gold, n_predicted: how often the label is in the gold annotation and in the predictions.
    precision, recall, f: its scores.
    """

    name: str
    n_gold: int
    n_predicted: int
    precision: Estimate
    recall: Estimate
    f: Estimate


@dataclass(frozen=True)
class SeenScores:
    """A score of words or entities that were seen in training, and of those that were not.

    name: the name to show.
    n_seen, n_unseen: the number of seen and of unseen words or entities.
    seen, unseen: the scores.
    """

    name: str
    n_seen: int
    n_unseen: int
    seen: Estimate
    unseen: Estimate


@dataclass(frozen=True)
class Scores:
    """All scores of an evaluation.

    headline: the scores of the whole corpus.
    entities, categories: the scores of each label, the most frequent label first.
    seen: the scores of seen and unseen words and entities; empty without a training corpus.
    """

    headline: list[Score]
    entities: list[LabelScores]
    categories: list[LabelScores]
    seen: list[SeenScores]


def score(
    corpus: PredictedCorpus,
    outcomes: Outcomes,
    seen: SeenInTraining | None,
    n_resamples: int,
    seed: int,
    progress: bool = False,
) -> Scores:
    """Compute all scores of an evaluation, with intervals from the same resamples.

    corpus: the annotated corpus.
    outcomes: its outcomes.
    seen: the words and entities of the training corpus, or None if it is unknown.
    n_resamples, seed, progress: as for `Bootstrap`.
    """
    bootstrap = Bootstrap(len(corpus.examples), n_resamples, seed, progress)
    return Scores(
        _score_corpus(bootstrap, corpus, outcomes) + _score_categories(bootstrap, corpus, outcomes.categories),
        _score_labels(bootstrap, outcomes.entities),
        _score_labels(bootstrap, outcomes.categories),
        [] if seen is None else _score_seen(bootstrap, corpus.examples, outcomes, seen),
    )


def _score_corpus(bootstrap: Bootstrap, corpus: PredictedCorpus, outcomes: Outcomes) -> list[Score]:
    def count(compare: Callable[[Example], Count]) -> list[Count]:
        return [compare(example) for example in corpus.examples]

    # spaCy's name of the score, the name to show, the kind of the metric, and a function that makes its counts.
    rows: list[tuple[str, str, str, Callable[[], list[Count]]]] = [
        ("token_acc", "Tokenization", "p", lambda: count(count_tokenization)),
        *(
            (f"{attr}_acc", ATTRIBUTE_NAMES[attr], "f", partial(_count_docs, docs))
            for attr, docs in outcomes.tokens.items()
        ),
        ("dep_uas", "UAS", "f", lambda: count(partial(count_arcs, labeled=False))),
        ("dep_las", "LAS", "f", lambda: count(partial(count_arcs, labeled=True))),
        ("sents_f", "Sentences F", "f", lambda: count(count_sentences)),
        ("ents_p", "Entities precision", "p", lambda: _count_docs(outcomes.entities)),
        ("ents_r", "Entities recall", "r", lambda: _count_docs(outcomes.entities)),
        ("ents_f", "Entities F", "f", lambda: _count_docs(outcomes.entities)),
        *(
            (f"spans_{key}_f", f"Spans '{key}' F", "f", partial(count, partial(count_spans, key=key)))
            for key in _list_span_keys(corpus.scores)
        ),
    ]
    return [
        Score(name, bootstrap.resample(make_counts()).estimate(kind))
        for key, name, kind, make_counts in rows
        if corpus.scores.get(key) is not None
    ] + _score_links(bootstrap, corpus)


def _score_links(bootstrap: Bootstrap, corpus: PredictedCorpus) -> list[Score]:
    """Score the links of gold entities, which an entity linker scores itself, and of predicted entities."""
    if corpus.scores.get("nel_micro_f") is None:
        return []
    counts = bootstrap.resample([count_links(example) for example in corpus.examples])
    predicted = counts.estimate("f")
    # The linker annotates copies of the docs with gold entities, so there are no counts for an interval.
    result = [Score("Links F", Estimate(corpus.scores["nel_micro_f"]))]
    return result if predicted.value is None else [*result, Score("Links F of predicted entities", predicted)]


def _score_categories(bootstrap: Bootstrap, corpus: PredictedCorpus, docs: Sequence[CategoryOutcomes]) -> list[Score]:
    if not docs:
        return []
    scores = corpus.scores
    by_label = [[doc.count(label) for label in scores["cats_f_per_type"]] for doc in docs]
    result = [
        Score("Categories micro F", bootstrap.resample(_count_docs(docs)).estimate("f")),
        Score("Categories macro F", bootstrap.resample(by_label).estimate("f")),
    ]
    if scores["cats_score_desc"] != "macro F":
        # An area under a curve is not computed from counts, so it has no interval.
        result.append(Score(f"Categories {scores['cats_score_desc']}", Estimate(scores["cats_score"])))
    return result


def _score_labels(
    bootstrap: Bootstrap, docs: Sequence[EntityOutcomes] | Sequence[CategoryOutcomes]
) -> list[LabelScores]:
    n_gold = Counter(label for doc in docs for label in doc.gold_labels)
    n_predicted = Counter(label for doc in docs for label in doc.predicted_labels)
    result = []
    for label in sorted(n_gold.keys() | n_predicted.keys(), key=lambda label: (-n_gold[label], label)):
        counts = bootstrap.resample([doc.count(label) for doc in docs])
        estimates = [counts.estimate(kind) for kind in "prf"]
        result.append(LabelScores(label, n_gold[label], n_predicted[label], *estimates))
    return result


def _score_seen(
    bootstrap: Bootstrap, examples: Sequence[Example], outcomes: Outcomes, seen: SeenInTraining
) -> list[SeenScores]:
    result = []
    for attr, docs in outcomes.tokens.items():
        words = [
            [(example.reference[i].text in seen.words, doc.is_correct(i)) for i in doc.gold]
            for example, doc in zip(examples, docs, strict=True)
        ]
        result.append(_compare_seen(bootstrap, ATTRIBUTE_NAMES[attr], words))
    if outcomes.entities:
        entities = [
            [(ent.text in seen.entities, True) for ent in doc.found]
            + [(ent.text in seen.entities, False) for ent in doc.missed]
            for doc in outcomes.entities
        ]
        result.append(_compare_seen(bootstrap, "Entities recall", entities))
    return result


def _compare_seen(bootstrap: Bootstrap, name: str, docs: Sequence[Sequence[tuple[bool, bool]]]) -> SeenScores:
    """Score seen and unseen items.

    docs: for each word or entity of each doc, whether it was seen and whether it is correct.
    """
    counters = {
        was_seen: [Counter(is_correct for seen, is_correct in doc if seen == was_seen) for doc in docs]
        for was_seen in (True, False)
    }
    sizes = {seen: sum(counter.total() for counter in group) for seen, group in counters.items()}
    recalls = {
        seen: bootstrap.resample([Count(n[True], 0, n[False]) for n in group]).estimate("r")
        for seen, group in counters.items()
    }
    return SeenScores(name, sizes[True], sizes[False], recalls[True], recalls[False])


def _count_docs(docs: Sequence[TokenOutcomes] | Sequence[EntityOutcomes] | Sequence[CategoryOutcomes]) -> list[Count]:
    return [doc.count() for doc in docs]


def _list_span_keys(scores: Iterable[str]) -> list[str]:
    return [name[len("spans_") : -len("_f")] for name in scores if name.startswith("spans_") and name.endswith("_f")]
