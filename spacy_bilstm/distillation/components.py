"""What a teacher's component knows about docs, how several teachers are averaged, and what a student learns from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

import numpy
from numpy.typing import NDArray
from spacy.attrs import DEP, HEAD, SENT_START
from spacy.tokens import Doc, Span

from ..bridge.soft_targets import SoftCategories, SoftLabels, set_soft_targets
from ..pipeline.factories import make_morphology_label
from ..pipeline.ner import BiLSTMEntityRecognizer
from ..pipeline.soft_tags import average_soft_tags, get_expected_agreement, make_certain_tags

# Tags that are less probable than this are left out of the distributions over tag sequences.
_MIN_TAG_PROBABILITY = 1e-3
Floats = NDArray[numpy.floating[Any]]


class Knowledge(Protocol):
    """How one component of a pipeline is taught. Each object belongs to one component of all teachers.

    name: the name of the component.
    is_soft: whether the teachers' probabilities are learned, not only their best labels.
    """

    name: str
    is_soft: bool

    def run(self, pipe: Any, docs: list[Doc]) -> list[Any]:
        """Run a teacher's component on docs, which it annotates. RETURNS: what it knows about each doc."""
        ...

    def write(self, doc: Doc, known: Sequence[Any]) -> None:
        """Write the mean of what all teachers know to a doc, as annotation and, if soft, as soft targets."""
        ...

    def get_labels(self, gold: Sequence[Doc] = ()) -> Any:
        """Return the labels for the student's `initialize`: those of the teachers, and further ones of gold docs.

        RETURNS: the labels, or None if the student needs none.
        """
        ...


class TagKnowledge:
    """The probabilities of a softmax tagger or morphologizer.

    name: the name of the component.
    pipes: the component of each teacher.
    """

    is_soft = True

    def __init__(self, name: str, pipes: Sequence[Any]) -> None:
        self.name = name
        self.labels = unite_labels(pipe.labels for pipe in pipes)

    def run(self, pipe: Any, docs: list[Doc]) -> list[Any]:
        """Return the probabilities of `labels`. Shape `(len(doc), n_labels)` each."""
        if not any(len(doc) for doc in docs):
            return [numpy.zeros((0, len(self.labels))) for _ in docs]
        scores = [pipe.model.ops.to_numpy(of_doc) for of_doc in pipe.model.predict(docs)]
        pipe.set_annotations(docs, [of_doc.argmax(axis=1) for of_doc in scores])
        columns = [self.labels.index(label) for label in pipe.labels]
        return [_place(_normalize(of_doc, pipe.model), columns, len(self.labels)) for of_doc in scores]

    def write(self, doc: Doc, known: Sequence[Any]) -> None:
        """Write the most probable labels and the mean probabilities."""
        mean = numpy.mean(known, axis=0)
        set_soft_targets(doc, self.name, SoftLabels.from_probabilities(mean, self.labels))
        for token, index in zip(doc, mean.argmax(axis=1).tolist() if len(doc) else [], strict=True):
            self._set_label(token, self.labels[index])

    def get_labels(self, gold: Sequence[Doc] = ()) -> Any:
        """Return the tags of the teachers, and further ones of gold docs."""
        return unite_labels([self.labels, sorted({token.tag_ for doc in gold for token in doc if token.tag})])

    def _set_label(self, token: Any, label: str) -> None:
        token.tag_ = label


class MorphKnowledge(TagKnowledge):
    """The probabilities of a morphologizer.

    name: the name of the component.
    pipes: the component of each teacher.
    """

    def __init__(self, name: str, pipes: Sequence[Any]) -> None:
        super().__init__(name, pipes)
        self.data: dict[str, dict[str, Any]] = {"morph": {}, "pos": {}}
        for pipe in pipes:
            for key, values in pipe.label_data.items():
                self.data[key].update(values)

    def get_labels(self, gold: Sequence[Doc] = ()) -> Any:
        """Return the features and part of speech of the labels of the teachers, and of further ones of gold docs."""
        data = {key: dict(values) for key, values in self.data.items()}
        for doc in gold:
            for token in doc:
                if token.has_morph() or token.pos:
                    label = make_morphology_label(token)
                    data["morph"].setdefault(label, str(token.morph))
                    data["pos"].setdefault(label, token.pos)
        return data

    def _set_label(self, token: Any, label: str) -> None:
        token.set_morph(self.data["morph"].get(label, ""))
        token.pos = self.data["pos"].get(label, 0)


class EntityKnowledge:
    """The entities of any recogniser, and the probabilities of a conditional random field.

    If several recognisers have no probabilities, the student learns the share of them that agree.

    name: the name of the component.
    pipes: the component of each teacher.
    labels: its labels; None if only its annotation tells them.
    """

    def __init__(self, name: str, pipes: Sequence[Any], labels: Sequence[str] | None) -> None:
        self.name = name
        self.labels = labels
        self.is_soft = len(pipes) > 1 or any(isinstance(pipe, BiLSTMEntityRecognizer) for pipe in pipes)

    def run(self, pipe: Any, docs: list[Doc]) -> list[Any]:
        """Return each doc's entities, their tags, and its distribution over tag sequences."""
        if not isinstance(pipe, BiLSTMEntityRecognizer):
            docs = run_pipe(pipe, docs)
            certain = [make_certain_tags(doc) for doc in docs]
            return list(zip(map(_list_entities, docs), certain, certain, strict=True))
        soft = pipe.compute_soft_tags(docs, _MIN_TAG_PROBABILITY)
        pipe.set_annotations(docs, pipe.predict(docs))
        certain = list(map(make_certain_tags, docs))
        known = [one or other for one, other in zip(soft, certain, strict=True)]
        return list(zip(map(_list_entities, docs), certain, known, strict=True))

    def write(self, doc: Doc, known: Sequence[Any]) -> None:
        """Write the entities of the teacher that agrees most with the mean distribution, and that distribution."""
        entities, certain, soft = zip(*known, strict=True)
        best = 0
        if self.is_soft:
            mean = average_soft_tags(soft) if len(soft) > 1 else soft[0]
            set_soft_targets(doc, self.name, mean)
            best = int(numpy.argmax([get_expected_agreement(mean, of_teacher) for of_teacher in certain]))
        doc.set_ents([Span(doc, *entity) for entity in entities[best]], default="outside")

    def get_labels(self, gold: Sequence[Doc] = ()) -> Any:
        """Return the labels of the teachers, and further ones of gold docs; None if the teachers' are not known."""
        if self.labels is None:
            return None
        return unite_labels([self.labels, sorted({entity.label_ for doc in gold for entity in doc.ents})])


class CategoryKnowledge:
    """The probabilities of a text classifier's labels.

    name: the name of the component.
    labels: its labels; None if only its annotation tells them.
    threshold: the mean probability from which a label is annotated; None annotates the most probable one.
    """

    is_soft = True

    def __init__(self, name: str, labels: Sequence[str] | None, threshold: float | None) -> None:
        self.name = name
        self.labels = labels
        self.threshold = threshold

    def run(self, pipe: Any, docs: list[Doc]) -> list[Any]:
        """Return the score of each label for each doc."""
        return [dict(doc.cats) for doc in run_pipe(pipe, docs)]

    def write(self, doc: Doc, known: Sequence[Any]) -> None:
        """Write the labels and the mean probabilities."""
        labels = list(self.labels) if self.labels is not None else unite_labels(known)
        if not labels:
            return
        mean = numpy.array([sum(cats.get(label, 0.0) for cats in known) / len(known) for label in labels])
        set_soft_targets(doc, self.name, SoftCategories(tuple(labels), mean.astype("float32")))
        is_true = mean == mean.max() if self.threshold is None else mean >= self.threshold
        if self.threshold is None:
            is_true[is_true.argmax() + 1 :] = False  # Of equally probable labels, the first.
        doc.cats |= {label: float(value) for label, value in zip(labels, is_true, strict=True)}

    def get_labels(self, gold: Sequence[Doc] = ()) -> Any:
        """Return the labels of the teachers, or None if they are not known. Gold docs have no further ones."""
        return None if self.labels is None else list(self.labels)


class StructureKnowledge:
    """The annotation of a component whose probabilities are not learned, such as a parser or a span categorizer.

    Of several teachers' annotation, the student learns the one that agrees most with the others, doc by doc.

    name: the name of the component.
    describe: returns the items of a doc's annotation, for the agreement of two docs.
    copy: copies the annotation from one doc to another.
    labels: the labels for the student's `initialize`, or None.
    unite: returns these labels with further ones of gold docs; None for a component that passes over labels that it
        does not have.
    """

    is_soft = False

    def __init__(
        self,
        name: str,
        describe: Callable[[Doc], set[Any]],
        copy: Callable[[Doc, Doc], None],
        labels: Any = None,
        unite: Callable[[Any, Sequence[Doc]], Any] | None = None,
    ) -> None:
        self.name = name
        self.labels = labels
        self._describe, self._copy, self._unite = describe, copy, unite

    def run(self, pipe: Any, docs: list[Doc]) -> list[Any]:
        """Return the annotated docs."""
        return run_pipe(pipe, docs)

    def write(self, doc: Doc, known: Sequence[Any]) -> None:
        """Write the annotation that agrees most with that of all teachers."""
        items = [self._describe(of_teacher) for of_teacher in known]
        agreement = [sum(_compute_f(one, other) for other in items) for one in items]
        self._copy(known[int(numpy.argmax(agreement))], doc)

    def get_labels(self, gold: Sequence[Doc] = ()) -> Any:
        """Return the labels of the teachers, and further ones of gold docs if the component needs all of them."""
        return self.labels if self._unite is None else self._unite(self.labels, gold)


def make_parser_knowledge(name: str, pipes: Sequence[Any]) -> StructureKnowledge:
    """Return the knowledge of dependency parsers: heads and dependency labels."""
    labels: dict[int, dict[str, int]] = {}
    for pipe in pipes:
        for action, counts in pipe.label_data.items():
            for label, count in counts.items():
                of_action = labels.setdefault(action, {})
                of_action[label] = max(of_action.get(label, 0), count)
    describe = lambda doc: {(token.i, token.head.i, token.dep_) for token in doc}  # noqa: E731
    return StructureKnowledge(name, describe, lambda source, target: _copy_attrs(source, target, [HEAD, DEP]), labels)


def make_sentence_knowledge(name: str) -> StructureKnowledge:
    """Return the knowledge of sentence recognisers: the starts of sentences."""
    describe = lambda doc: {token.i for token in doc if token.is_sent_start}  # noqa: E731
    return StructureKnowledge(name, describe, lambda source, target: _copy_attrs(source, target, [SENT_START]))


def make_lemma_knowledge(name: str, pipes: Sequence[Any]) -> StructureKnowledge:
    """Return the knowledge of lemmatizers: lemmas. The student has the edit trees of the first."""

    def copy(source: Doc, target: Doc) -> None:
        for token, known in zip(target, source, strict=True):
            token.lemma_ = known.lemma_

    return StructureKnowledge(name, lambda doc: {(token.i, token.lemma_) for token in doc}, copy, pipes[0].label_data)


def make_span_knowledge(name: str, pipes: Sequence[Any]) -> StructureKnowledge:
    """Return the knowledge of span categorizers: a span group."""
    key = pipes[0].key

    def describe(doc: Doc) -> set[Any]:
        return {(span.start, span.end, span.label_) for span in doc.spans.get(key, [])}

    def copy(source: Doc, target: Doc) -> None:
        target.spans[key] = [_copy_span(span, target) for span in source.spans.get(key, [])]

    def unite(labels: list[str], gold: Sequence[Doc]) -> list[str]:
        return unite_labels([labels, sorted({span.label_ for doc in gold for span in doc.spans.get(key, [])})])

    return StructureKnowledge(name, describe, copy, unite_labels(pipe.labels for pipe in pipes), unite)


def run_pipe(pipe: Any, docs: list[Doc]) -> list[Doc]:
    """Run any component on docs."""
    if hasattr(pipe, "pipe"):
        return list(pipe.pipe(docs, batch_size=max(len(docs), 1)))
    return [pipe(doc) for doc in docs]


def _normalize(scores: Floats, model: Any) -> Floats:
    """Return probabilities. A model for prediction may leave out the last step of the softmax."""
    attrs = model.get_ref("softmax").attrs if model.has_ref("softmax") else {}
    if attrs.get("softmax_normalize", True):
        return scores.astype("float64")
    scores = scores.astype("float64") / attrs.get("softmax_temperature", 1.0)
    weights = numpy.exp(scores - scores.max(axis=1, keepdims=True, initial=-numpy.inf))
    return cast(Floats, weights / weights.sum(axis=1, keepdims=True))


def _place(values: Floats, columns: Sequence[int], n_columns: int) -> Floats:
    placed = numpy.zeros((len(values), n_columns))
    placed[:, columns] = values
    return placed


def unite_labels(labels: Iterable[Iterable[str]]) -> list[str]:
    """Return all labels, those of the first teacher in its order, further ones at the end."""
    return list(dict.fromkeys(label for of_one in labels for label in of_one))


def _list_entities(doc: Doc) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.label_) for entity in doc.ents]


def _copy_span(span: Span, doc: Doc) -> Span:
    return Span(doc, span.start, span.end, label=span.label_)


def _copy_attrs(source: Doc, target: Doc, attrs: list[int | str]) -> None:
    values: Any = source.to_array(attrs)
    target.from_array(attrs, values)


def _compute_f(one: set[Any], other: set[Any]) -> float:
    total = len(one) + len(other)
    return 2 * len(one & other) / total if total else 1.0
