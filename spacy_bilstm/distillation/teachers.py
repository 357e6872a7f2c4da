"""The teachers: which of their components a student takes over, and how they annotate texts together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.pipeline import (
    DependencyParser,
    EditTreeLemmatizer,
    EntityRecognizer,
    Morphologizer,
    SentenceRecognizer,
    SpanCategorizer,
    Tagger,
    TextCategorizer,
    Tok2Vec,
    TrainablePipe,
)
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.util import is_package

from ..annotation import Record
from ..pipeline.ner import BiLSTMEntityRecognizer
from ..util.pipeline_paths import find_pipeline
from .components import (
    CategoryKnowledge,
    EntityKnowledge,
    Knowledge,
    MorphKnowledge,
    TagKnowledge,
    make_lemma_knowledge,
    make_parser_knowledge,
    make_sentence_knowledge,
    make_span_knowledge,
    run_pipe,
    unite_labels,
)
from .corpus import copy_words

ROLES = ("ner", "textcat", "textcat_multilabel")
"""What a component of any class can be taught as: `roles` of `load_teachers`."""

# The kind of a component that a student learns, by its class. A subclass comes before its class.
_KINDS: tuple[tuple[type, str], ...] = (
    (BiLSTMEntityRecognizer, "ner"),
    (EntityRecognizer, "ner"),
    (SentenceRecognizer, "senter"),
    (EditTreeLemmatizer, "trainable_lemmatizer"),
    (Morphologizer, "morphologizer"),
    (Tagger, "tagger"),
    (MultiLabel_TextCategorizer, "textcat_multilabel"),
    (TextCategorizer, "textcat"),
    (DependencyParser, "parser"),
    (SpanCategorizer, "spancat"),
)


class TeacherError(ValueError):
    """The teachers can't teach what was asked for."""


class Takeover(str, Enum):
    """How a student takes over a component."""

    soft = "learned from probabilities"
    hard = "learned from annotation"
    copied = "copied"
    replaced = "replaced by the student's own"
    left_out = "left out"


@dataclass(frozen=True)
class TeacherComponent:
    """A component of the teachers and what becomes of it.

    name: its name, in the teachers and in the student.
    kind: what it is, by the name of the recipes' component, such as `"ner"`; empty if the student does not learn it.
    takeover: how the student takes it over.
    reason: why, if it is left out, or what else is worth knowing.
    """

    name: str
    kind: str
    takeover: Takeover
    reason: str = ""


@dataclass(frozen=True)
class Teachers:
    """One or several pipelines that annotate texts together. Use `load_teachers` to make it.

    names: their names or paths, as absolute paths where they are paths.
    pipelines: the pipelines. The first one tokenizes.
    components: the components, in the order of the first pipeline.
    knowledge: how each learned component is taught, by its name.
    """

    names: list[str]
    pipelines: list[Language]
    components: list[TeacherComponent]
    knowledge: dict[str, Knowledge]

    @property
    def roles(self) -> dict[str, str]:
        """What components are taught as, where their class does not tell it."""
        kinds = {component.name: component.kind for component in self.components if component.kind}
        return {name: kind for name, kind in kinds.items() if kind != _find_kind(self.pipelines[0].get_pipe(name))}

    def annotate(self, records: Sequence[Record]) -> Iterator[Doc]:
        """Annotate texts with the mean of what the teachers know.

        records: the texts. The tokens of a record's Doc stay if it does not know the spaces between them.
        RETURNS: the docs, each valid until the next one is taken.
        """
        size = self.pipelines[0].batch_size
        for start in range(0, len(records), size):
            with ExitStack() as zones:
                # The strings and lexemes of a batch are forgotten after it, so memory stays flat.
                for nlp in self.pipelines:
                    zones.enter_context(nlp.memory_zone())
                yield from self._annotate_batch(records[start : start + size])

    def _annotate_batch(self, records: Sequence[Record]) -> list[Doc]:
        first = self.pipelines[0]
        made = [_make_doc(first, record) for record in records]
        known = [self._run(nlp, [copy_words(doc, nlp.vocab) for doc in made]) for nlp in self.pipelines]
        docs = [copy_words(doc, first.vocab) for doc in made]
        for name, knowledge in self.knowledge.items():
            for i, doc in enumerate(docs):
                knowledge.write(doc, [of_teacher[name][i] for of_teacher in known])
        return docs

    def _run(self, nlp: Language, docs: list[Doc]) -> dict[str, list[Any]]:
        """Run a pipeline on docs, component by component. RETURNS: what each taught component knows."""
        known = {}
        for name, pipe in nlp.pipeline:
            if name in self.knowledge:
                known[name] = self.knowledge[name].run(pipe, docs)
            elif not nlp.get_factory_meta(nlp.get_pipe_meta(name).factory).retokenizes:  # The tokens must stay.
                docs = run_pipe(pipe, docs)
        return known

    def find_digest(self) -> str:
        """Return a digest of all files of the pipelines, which tells whether an annotation is theirs."""
        digest = blake2b(digest_size=16)
        for name in self.names:
            directory = find_pipeline(name)
            for path in sorted(directory.rglob("*")):
                if path.is_file() and path.suffix != ".pyc":
                    digest.update(str(path.relative_to(directory)).encode("utf8"))
                    digest.update(path.read_bytes())
        return digest.hexdigest()


def load_teachers(names: Sequence[str | Path], roles: Mapping[str, str] | None = None) -> Teachers:
    """Load the teachers and decide what becomes of each component.

    Taggers, morphologizers, text classifiers and `bilstm_ner` teach their probabilities. Parsers, sentence recognisers,
    trained lemmatizers, span categorizers and other entity recognisers teach their annotation. Components without a
    model are copied, such as `attribute_ruler`, `lemmatizer` and `entity_ruler`. All other trained components are left
    out.

    names: names or paths of pipelines, at least one.
    roles: for components of classes that are not known, such as spacy-llm's, what to learn from their annotation:
        `"ner"`, `"textcat"` or `"textcat_multilabel"`, by the component's name.
    RETURNS: the teachers.
    RAISES: TeacherError if they have no component to learn, if the pipelines differ in language or components, or for
        an unknown role; OSError if a pipeline can't be found.
    """
    roles = dict(roles or {})
    found = [str(name) if is_package(str(name)) else str(Path(name).resolve()) for name in names]
    pipelines = [spacy.load(name) for name in found]
    first = pipelines[0]
    for name, role in roles.items():
        if name not in first.pipe_names:
            raise TeacherError(f"{found[0]} has no component '{name}'. It has: {', '.join(first.pipe_names)}.")
        if role not in ROLES:
            raise TeacherError(f"'{name}' can't be learned as '{role}'. Choose from: {', '.join(ROLES)}.")
        kind = _find_kind(first.get_pipe(name))
        if kind and kind.partition("_")[0] != role.partition("_")[0]:
            raise TeacherError(f"'{name}' is a '{kind}' and can't be learned as '{role}'. Leave this role out.")
    _check_same(found, pipelines)
    components, knowledge = [], {}
    for name, pipe in first.pipeline:
        kind = roles.get(name) or _find_kind(pipe)
        if not kind:
            components.append(_decide_unlearned(first, name, pipe))
            continue
        knowledge[name] = _make_knowledge(
            kind, name, [nlp.get_pipe(name) for nlp in pipelines], _list_preset_labels(first, name)
        )
        takeover = Takeover.soft if knowledge[name].is_soft else Takeover.hard
        components.append(TeacherComponent(name, kind, takeover, _compare_labels(name, pipelines)))
    components += [
        TeacherComponent(name, "", Takeover.left_out, "it is disabled in the teacher") for name in first.disabled
    ]
    if not knowledge:
        raise TeacherError(
            f"{found[0]} has no component that can be learned, only: {', '.join(first.pipe_names) or 'none'}."
        )
    _share_strings(pipelines)
    return Teachers(found, pipelines, components, knowledge)


def _find_kind(pipe: Any) -> str:
    return next((kind for cls, kind in _KINDS if isinstance(pipe, cls)), "")


def _decide_unlearned(nlp: Language, name: str, pipe: Any) -> TeacherComponent:
    if isinstance(pipe, Tok2Vec) or hasattr(pipe, "listening_components"):
        return TeacherComponent(name, "", Takeover.replaced)
    factory = nlp.get_pipe_meta(name).factory
    if isinstance(pipe, TrainablePipe) or getattr(pipe, "is_trainable", False):
        return TeacherComponent(name, "", Takeover.left_out, f"a '{factory}' has no student")
    if type(pipe).__module__.partition(".")[0] == "spacy_llm":
        return TeacherComponent(name, "", Takeover.left_out, "say what it is to be learned as, such as 'ner'")
    return TeacherComponent(name, "", Takeover.copied)


def _list_preset_labels(nlp: Language, name: str) -> list[str]:
    """Return the labels of components before another that may set entities, such as an `entity_ruler`."""
    earlier = nlp.pipeline[: nlp.pipe_names.index(name)]
    return unite_labels(_list_labels(pipe) for other, pipe in earlier if "doc.ents" in nlp.get_pipe_meta(other).assigns)


def _make_knowledge(kind: str, name: str, pipes: Sequence[Any], preset_labels: Sequence[str]) -> Knowledge:
    if kind == "tagger":
        return TagKnowledge(name, pipes)
    if kind == "morphologizer":
        return MorphKnowledge(name, pipes)
    if kind == "parser":
        return make_parser_knowledge(name, pipes)
    if kind == "senter":
        return make_sentence_knowledge(name)
    if kind == "trainable_lemmatizer":
        return make_lemma_knowledge(name, pipes)
    if kind == "spancat":
        return make_span_knowledge(name, pipes)
    labels = unite_labels(pipe.labels for pipe in pipes) if _find_kind(pipes[0]) else None
    if kind == "ner":
        return EntityKnowledge(name, pipes, None if labels is None else unite_labels([labels, preset_labels]))
    threshold = pipes[0].cfg.get("threshold", 0.5) if labels is not None else 0.5
    return CategoryKnowledge(name, labels, None if kind == "textcat" else threshold)


def _check_same(names: Sequence[str], pipelines: Sequence[Language]) -> None:
    """Check that pipelines have the language and the learned components of the first."""
    first = pipelines[0]
    for name, nlp in zip(names[1:], pipelines[1:], strict=True):
        if nlp.lang != first.lang:
            raise TeacherError(f"{name} is for the language '{nlp.lang}', but {names[0]} is for '{first.lang}'.")
        for component, pipe in first.pipeline:
            kind = _find_kind(pipe)
            other = _find_kind(nlp.get_pipe(component)) if component in nlp.pipe_names else "nothing"
            if kind and kind != other:
                raise TeacherError(
                    f"{names[0]} has the component '{component}' ({kind}), but {name} has {other or 'another'} of that "
                    "name. All teachers need the same components to learn from."
                )


def _compare_labels(name: str, pipelines: Sequence[Language]) -> str:
    """Return a remark about labels that not all teachers have."""
    labels = [set(_list_labels(nlp.get_pipe(name))) for nlp in pipelines]
    partial = sorted(labels[0].union(*labels) - labels[0].intersection(*labels))
    if not partial:
        return ""
    shown = ", ".join(partial[:5]) + (f" and {len(partial) - 5} more" if len(partial) > 5 else "")
    return f"not all teachers have the labels {shown}"


def _share_strings(pipelines: Sequence[Language]) -> None:
    """Add the labels of all pipelines to the vocab of the first, in which the docs are written."""
    strings = pipelines[0].vocab.strings
    for _, pipe in chain.from_iterable(nlp.pipeline for nlp in pipelines):
        for label in _list_labels(pipe):
            strings.add(label)


def _list_labels(pipe: Any) -> list[str]:
    """Return the labels of a component, without the numbers of a lemmatizer's edit trees."""
    return [] if isinstance(pipe, EditTreeLemmatizer) else list(getattr(pipe, "labels", ()))


def _make_doc(nlp: Language, record: Record) -> Doc:
    if record.doc is not None and record.doc.has_unknown_spaces:
        return record.doc
    return nlp.make_doc(record.text)
