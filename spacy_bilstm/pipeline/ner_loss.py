"""What an entity recogniser learns from a batch: gold entities, or the soft targets of a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from spacy.training import Example

from ..bridge.crf import CRFLoss, Emissions, ExpectedCounts, compute_distillation_loss, compute_loss
from ..bridge.model_types import CRFLayer
from ..bridge.soft_targets import SoftTags, get_soft_tags
from .entities import Bools, Tokens, find_allowed_tags
from .ner_gold import Gold, has_same_tokens, read_incorrect_spans
from .soft_tags import count_expected


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
        emissions: Emissions,
        labels: Sequence[str],
        label_hashes: Sequence[int],
        incorrect_spans_key: str | None,
    ) -> CRFLoss:
        """Compute the loss of emissions for the predicted docs, and its gradients.

        Soft targets come before gold entities. Docs whose soft targets the model can't express, because an entity has
        an unknown label or ends in whitespace, learn their gold entities.

        crf: the conditional random field.
        emissions: the emissions.
        labels: the labels of the component.
        label_hashes: hash of each label.
        incorrect_spans_key: the span group of spans known not to be entities, or None.
        RETURNS: the loss, summed over docs.
        """
        tokens = Tokens.read([example.predicted for example in self.examples])
        # Preset entities of the predicted docs are no constraint: they may be incorrect.
        allowed = find_allowed_tags(tokens, label_hashes, keep_presets=False)
        expected, is_soft = count_expected(self.soft, tokens.lengths, labels, allowed)
        if is_soft.all():
            return compute_distillation_loss(crf, emissions, expected, allowed)
        gold_tags = self.gold.find_gold_tags(tokens, label_hashes, allowed)
        hard = ~is_soft
        is_hard_token = numpy.repeat(hard, tokens.lengths)
        hard_examples = [example for example, is_hard in zip(self.examples, hard, strict=True) if is_hard]
        hard_emissions = _select_docs(crf, emissions, hard)
        indices = {label: index for index, label in enumerate(labels)}
        key = incorrect_spans_key
        incorrect = [] if key is None else read_incorrect_spans(hard_examples, key, indices, hard_emissions.lengths)
        hard_loss = compute_loss(
            crf, hard_emissions, gold_tags[is_hard_token], _select(allowed, is_hard_token), incorrect
        )
        if hard.all():
            return hard_loss
        is_soft_token = ~is_hard_token
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
