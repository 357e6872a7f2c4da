"""What an entity recogniser learns from a batch: gold entities, the soft targets of a teacher, or an old model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import set_dropout_rate

from ..bridge.crf import CRFLoss, Emissions, ExpectedCounts, compute_distillation_loss, compute_loss
from ..bridge.crf import compute_rehearsal_loss as compute_divergence
from ..bridge.model_types import CRFLayer, TokenScoresModel
from ..bridge.soft_targets import SoftTags, get_soft_tags
from .entities import Bools, Ints, find_allowed_tags
from .ner_gold import Gold, has_same_tokens, read_incorrect_spans
from .soft_tags import add_whitespace, count_expected
from .words import WordSequences


@dataclass(frozen=True)
class Annotation:
    """The annotation of a batch of examples.

    examples: the examples.
    gold: their gold entities.
    soft: the soft targets of each reference doc, or None. They need the tokens of the predicted doc.
    """

    examples: Sequence[Example]
    gold: Gold
    soft: list[SoftTags | None]

    @classmethod
    def read(cls, examples: Sequence[Example], component: str) -> Annotation:
        """Read the annotation that a component learns from examples."""
        soft = [
            get_soft_tags(example.reference, component) if has_same_tokens(example) else None for example in examples
        ]
        return cls(examples, Gold.read(examples), soft)

    def find_labels(self) -> list[str]:
        """Return the names of all labels in the annotation, sorted. RAISES: as `Gold.find_labels`."""
        soft = {label for target in self.soft if target is not None for label in target.labels}
        return sorted({*self.gold.find_labels(self.examples), *soft})

    def compute_loss(
        self,
        crf: CRFLayer,
        words: WordSequences,
        labels: Sequence[str],
        label_hashes: Sequence[int],
        incorrect_spans_key: str | None,
    ) -> CRFLoss:
        """Compute the loss of the words of the predicted docs, and its gradients.

        Soft targets come before gold entities. Docs whose soft targets the model can't express, because an entity has
        an unknown label or crosses the start of a sentence, learn their gold entities.

        crf: the conditional random field.
        words: the tokens that it reads, and their emissions.
        labels: the labels of the component.
        label_hashes: hash of each label.
        incorrect_spans_key: the span group of spans known not to be entities, or None.
        RETURNS: the loss, summed over docs. Its gradients are for the tokens that the CRF reads.
        """
        tokens, emissions = words.tokens, words.emissions
        # Preset entities of the predicted docs are no constraint: they may be incorrect.
        allowed = find_allowed_tags(tokens, label_hashes, keep_presets=False)
        soft = self.soft if words.positions is not None else [target and add_whitespace(target) for target in self.soft]
        expected, is_soft = count_expected(soft, tokens.lengths, labels, allowed)
        if is_soft.all():
            return compute_distillation_loss(crf, emissions, expected, allowed)
        hard = ~is_soft
        hard_loss = self._compute_gold_loss(crf, words, labels, label_hashes, incorrect_spans_key, allowed, hard)
        if hard.all():
            return hard_loss
        is_soft_token = numpy.repeat(is_soft, tokens.lengths)
        counts = ExpectedCounts(
            expected.emissions[is_soft_token],
            expected.transitions,
            expected.start,
            expected.end,
            expected.weights[is_soft],
        )
        soft_loss = compute_distillation_loss(
            crf, _select_docs(crf, emissions, is_soft), counts, _select(allowed, is_soft_token)
        )
        return _merge(hard_loss, soft_loss, is_soft)

    def _compute_gold_loss(
        self,
        crf: CRFLayer,
        words: WordSequences,
        labels: Sequence[str],
        label_hashes: Sequence[int],
        incorrect_spans_key: str | None,
        allowed: Bools | None,
        which: Bools,
    ) -> CRFLoss:
        """Compute the loss of some docs against their gold entities.

        crf, words, labels, label_hashes, incorrect_spans_key: as for `compute_loss`.
        allowed: tags that the tokens may have, or None for all. Shape `(n_tokens, n_tags)`.
        which: which docs. Shape `(n_docs,)`.
        RETURNS: the loss of these docs.
        """
        is_chosen = numpy.repeat(which, words.tokens.lengths)
        gold_tags = self._find_gold_tags(words, label_hashes, allowed)[is_chosen]
        incorrect: list[tuple[int, Ints]] = []
        if incorrect_spans_key is not None:
            examples = [example for example, is_one in zip(self.examples, which, strict=True) if is_one]
            indices = {label: index for index, label in enumerate(labels)}
            is_read = words.is_read[numpy.repeat(which, words.all_tokens.lengths)]
            incorrect = read_incorrect_spans(examples, incorrect_spans_key, indices, is_read)
        return compute_loss(
            crf, _select_docs(crf, words.emissions, which), gold_tags, _select(allowed, is_chosen), incorrect
        )

    def _find_gold_tags(self, words: WordSequences, label_hashes: Sequence[int], allowed: Bools | None) -> Bools:
        if words.positions is None:
            return self.gold.find_gold_tags(words.tokens, label_hashes, allowed)
        allowed = find_allowed_tags(words.all_tokens, label_hashes, keep_presets=False)
        # What is left of an entity's tags is valid without the whitespace, as that is inside.
        gold_tags: Bools = words.select(self.gold.find_gold_tags(words.all_tokens, label_hashes, allowed))
        return gold_tags


def compute_rehearsal_loss(
    crf: CRFLayer, words: WordSequences, teacher: TokenScoresModel, docs: Sequence[Doc]
) -> CRFLoss:
    """Compute the divergence of a model's distribution of tag sequences from that of an old model.

    crf: the conditional random field.
    words: the tokens that it reads, and their emissions.
    teacher: the old model.
    docs: the docs.
    RETURNS: the loss, summed over docs. Its gradients are for the tokens that the CRF reads.
    """
    set_dropout_rate(teacher, 0.0)
    teacher_crf: CRFLayer = teacher.get_ref("crf")
    emissions = Emissions.concatenate(teacher_crf, teacher.predict(list(docs)))
    return compute_divergence(crf, words.emissions, teacher_crf, words.select_emissions(emissions, crf))


def _select(mask: Bools | None, is_selected: Bools) -> Bools | None:
    return None if mask is None else mask[is_selected]


def _select_docs(crf: CRFLayer, emissions: Emissions, is_selected: Bools) -> Emissions:
    if is_selected.all():
        return emissions
    asarray: Callable[[Any], Any] = crf.ops.asarray
    tokens = asarray(numpy.repeat(is_selected, emissions.lengths).nonzero()[0])
    lengths = [length for length, is_one in zip(emissions.lengths, is_selected, strict=True) if is_one]
    return Emissions(emissions.scores[tokens], lengths)


def _merge(hard: CRFLoss, soft: CRFLoss, is_soft: Bools) -> CRFLoss:
    """Add up the losses of two parts of a batch."""
    gradients = {True: iter(soft.d_emissions), False: iter(hard.d_emissions)}
    parameters = {name: hard.d_parameters[name] + soft.d_parameters[name] for name in hard.d_parameters}
    return CRFLoss(hard.value + soft.value, [next(gradients[bool(one)]) for one in is_soft], parameters)
