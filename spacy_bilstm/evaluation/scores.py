"""The scores of a report. An evaluation comes in; rows of scores, each with its interval, go out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.training import Example

from . import outcomes
from .annotation import Evaluation
from .bootstrap import Estimate, Measure, estimate
from .outcomes import ATTRIBUTES, CategoryOutcomes, Count, EntityOutcomes, TokenOutcomes

NAMES = {"tag": "Tags", "pos": "Parts of speech", "morph": "Morphology", "lemma": "Lemmas"}


@dataclass(frozen=True)
class Outcomes:
    """What is right and wrong in each doc of a corpus, as far as the pipeline predicts it and the corpus has it.

    tokens: the outcomes of each doc, by attribute.
    entities, categories: the outcomes of each doc; empty where there are none.
    """

    tokens: dict[str, list[TokenOutcomes]]
    entities: list[EntityOutcomes]
    categories: list[CategoryOutcomes]


@dataclass(frozen=True)
class Score:
    """A score of the whole corpus.

    name: what is shown.
    estimate: the score and its interval.
    """

    name: str
    estimate: Estimate


@dataclass(frozen=True)
class LabelScores:
    """The scores of one label.

    name: the label.
    n_gold, n_predicted: how often it is there and is predicted.
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
    """A score of what was in the training corpus against what was not.

    name: what is shown.
    n_seen, n_unseen: how many words or names there are of each.
    seen, unseen: the scores.
    """

    name: str
    n_seen: int
    n_unseen: int
    seen: Estimate
    unseen: Estimate


@dataclass(frozen=True)
class Scores:
    """All scores of a report: the headline, those of each label, and what was seen against what was not."""

    headline: list[Score]
    entities: list[LabelScores]
    categories: list[LabelScores]
    seen: list[SeenScores]


@dataclass(frozen=True)
class SeenInTraining:
    """The words of a training corpus, and the texts of its entities."""

    words: set[str]
    names: set[str]


def find_outcomes(nlp: Language, evaluation: Evaluation) -> Outcomes:
    """Compare what a pipeline predicted with the gold."""
    examples, scores = evaluation.examples, evaluation.scores
    attributes = [attr for attr in ATTRIBUTES if scores.get(f"{attr}_acc") is not None]
    textcats = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, TextCategorizer)]
    has_categories = textcats and any(example.reference.cats for example in examples)
    return Outcomes(
        {attr: [outcomes.compare_tokens(example, attr) for example in examples] for attr in attributes},
        [outcomes.compare_entities(example) for example in examples] if scores.get("ents_f") is not None else [],
        # Of two text classifiers, the last one's categories and scores stay.
        [outcomes.compare_categories(example, textcats[-1]) for example in examples] if has_categories else [],
    )


def score(evaluation: Evaluation, found: Outcomes, seen: SeenInTraining | None, n_resamples: int, seed: int) -> Scores:
    """Give all scores, with intervals from one set of resamples.

    evaluation: the annotated corpus.
    found: its outcomes.
    seen: what was in the training corpus, if that is known.
    n_resamples, seed: as `estimate` takes them.
    """
    plan = _Plan()
    headline = _plan_headline(plan, evaluation, found)
    entities = _plan_labels(plan, found.entities, _list_entity_labels(found.entities))
    categories = _plan_labels(plan, found.categories, _list_categories(found.categories))
    compared = [] if seen is None else _plan_seen(plan, evaluation.examples, found, seen)
    get = plan.estimate(n_resamples, seed).__getitem__
    return Scores(
        [Score(name, get(row) if isinstance(row, int) else row) for name, row in headline],
        [LabelScores(name, n_gold, n_predicted, *map(get, rows)) for name, n_gold, n_predicted, rows in entities],
        [LabelScores(name, n_gold, n_predicted, *map(get, rows)) for name, n_gold, n_predicted, rows in categories],
        [SeenScores(name, *sizes, *map(get, rows)) for name, sizes, rows in compared],
    )


class _Plan:
    """Measures that are to be estimated together."""

    def __init__(self) -> None:
        self._measures: list[Measure] = []

    def add(self, measure: Measure) -> int:
        """Add a measure. RETURNS: where its estimate will be."""
        self._measures.append(measure)
        return len(self._measures) - 1

    def estimate(self, n_resamples: int, seed: int) -> list[Estimate]:
        return estimate(self._measures, n_resamples, seed)


def _plan_headline(plan: _Plan, evaluation: Evaluation, found: Outcomes) -> list[tuple[str, int | Estimate]]:
    """Names of scores, each with the place of its estimate, or with spaCy's score where no interval is known."""
    scores, examples = evaluation.scores, evaluation.examples

    def count(counter: Callable[[Example], Count], kind: str = "f") -> Measure:
        return Measure.of([counter(example) for example in examples], kind)

    measures: dict[str, tuple[str, Callable[[], Measure]]] = {
        "token_acc": ("Tokenization", lambda: count(outcomes.count_tokenization, "p"))
    }
    for attr, docs in found.tokens.items():
        measures[f"{attr}_acc"] = (NAMES[attr], partial(Measure.of, [doc.count for doc in docs]))
    measures["dep_uas"] = ("UAS", lambda: count(partial(outcomes.count_arcs, labeled=False)))
    measures["dep_las"] = ("LAS", lambda: count(partial(outcomes.count_arcs, labeled=True)))
    measures["sents_f"] = ("Sentences F", lambda: count(outcomes.count_sentences))
    for kind, name in {"p": "precision", "r": "recall", "f": "F"}.items():
        counts = [doc.count() for doc in found.entities]
        measures[f"ents_{kind}"] = (f"Entities {name}", partial(Measure.of, counts, kind))
    for key in _list_span_keys(scores):
        measures[f"spans_{key}_f"] = (f"Spans '{key}' F", partial(count, partial(outcomes.count_spans, key=key)))
    planned: list[tuple[str, int | Estimate]] = [
        (name, plan.add(make())) for key, (name, make) in measures.items() if scores.get(key) is not None
    ]
    if found.categories:
        planned += _plan_categories(plan, evaluation, found.categories)
    return planned


def _plan_categories(
    plan: _Plan, evaluation: Evaluation, docs: Sequence[CategoryOutcomes]
) -> list[tuple[str, int | Estimate]]:
    scores = evaluation.scores
    macro = Measure([[doc.count(label) for label in scores["cats_f_per_type"]] for doc in docs], "f")
    planned: list[tuple[str, int | Estimate]] = [
        ("Categories micro F", plan.add(Measure.of([doc.count() for doc in docs]))),
        ("Categories macro F", plan.add(macro)),
    ]
    if scores["cats_score_desc"] != "macro F":
        # An area under a curve is no ratio of counts.
        planned.append((f"Categories {scores['cats_score_desc']}", Estimate(scores["cats_score"])))
    return planned


def _plan_labels(
    plan: _Plan, docs: Sequence[EntityOutcomes] | Sequence[CategoryOutcomes], labels: Iterable[str]
) -> list[tuple[str, int, int, list[int]]]:
    planned = []
    for label in labels:
        counts = [doc.count(label) for doc in docs]
        tp, fp, fn = (sum(column) for column in zip(*counts, strict=True))
        planned.append((label, tp + fn, tp + fp, [plan.add(Measure.of(counts, kind)) for kind in "prf"]))
    return planned


def _plan_seen(
    plan: _Plan, examples: Sequence[Example], found: Outcomes, seen: SeenInTraining
) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
    planned = []
    for attr, docs in found.tokens.items():
        right = [
            {i: (example.reference[i].text in seen.words, doc.is_right(i)) for i in doc.gold}
            for example, doc in zip(examples, docs, strict=True)
        ]
        planned.append((NAMES[attr], *_plan_both(plan, [list(doc.values()) for doc in right])))
    if found.entities:
        recalled = [
            [
                (ent.text in seen.names, is_found)
                for ents, is_found in ((doc.found, True), (doc.missed, False))
                for ent in ents
            ]
            for doc in found.entities
        ]
        planned.append(("Entities recall", *_plan_both(plan, recalled)))
    return planned


def _plan_both(plan: _Plan, docs: Sequence[Sequence[tuple[bool, bool]]]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Numbers of what was seen and not, and where the shares that are right will be.

    docs: for each doc, whether a word or name was seen and whether it is right.
    """
    sizes, rows = [], []
    for was_seen in (True, False):
        counters = [Counter(is_right for seen, is_right in doc if seen == was_seen) for doc in docs]
        sizes.append(sum(counter.total() for counter in counters))
        rows.append(plan.add(Measure.of([Count(counter[True], 0, counter[False]) for counter in counters], "r")))
    return (sizes[0], sizes[1]), (rows[0], rows[1])


def _list_entity_labels(docs: Sequence[EntityOutcomes]) -> list[str]:
    """Labels, the most frequent in the gold first."""
    gold = Counter(ent.label_ for doc in docs for ent in doc.found + doc.missed)
    predicted = {ent.label_ for doc in docs for ent in doc.right + doc.wrong}
    return sorted(gold.keys() | predicted, key=lambda label: (-gold[label], label))


def _list_categories(docs: Sequence[CategoryOutcomes]) -> list[str]:
    gold = Counter(label for doc in docs for label in doc.gold)
    predicted = {label for doc in docs for label in doc.predicted}
    return sorted(gold.keys() | predicted, key=lambda label: (-gold[label], label))


def _list_span_keys(scores: Iterable[str]) -> list[str]:
    return [name[len("spans_") : -len("_f")] for name in scores if name.startswith("spans_") and name.endswith("_f")]
