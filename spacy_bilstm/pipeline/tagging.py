"""Prediction and training of one label per token, as spaCy's `Tagger` does it, but faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_get_examples
from thinc.api import NumpyOps, Optimizer
from thinc.types import Floats2d

from ..bridge.arguments import check_number_of_labels
from ..bridge.convert import move_documents
from ..bridge.labels import find_best_labels
from ..bridge.model_types import CRFLayer, TokenScoresModel
from ..bridge.soft_targets import SoftLabels, get_soft_labels
from .listeners import ListenerChecks
from .ner_gold import has_same_tokens


class FastTagging(ListenerChecks):
    """Makes the prediction of spaCy's `Tagger` and its subclasses fast: one product and one argmax for a whole batch.

    spaCy takes the argmax doc by doc, after a product in thinc that is slower than torch's. `docs/performance.md` shows
    what each stage costs.
    """

    model: TokenScoresModel

    def find_labels(self, get_examples: Callable[[], Iterable[Example]], labels: Any) -> set[str]:
        """Find the labels that the component will have when it is initialised. The component does not change.

        get_examples, labels: see `initialize`.
        RETURNS: the labels.
        """
        raise NotImplementedError

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Any = None,
    ) -> None:
        """Initialise the model.

        get_examples: returns examples. All of them are read for labels if `labels` is None; the model reads some.
        nlp: the pipeline.
        labels: the labels, as in `label_data`; those of the examples if None.
        RAISES: ValueError if there are no examples or no labels, or if the model is made for another number of labels.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        nO = self.model.maybe_get_dim("nO")
        if nO is not None:
            n_labels = len(self.find_labels(get_examples, labels))
            check_number_of_labels(self.name, self.model, nO, n_labels, "labels")
        super().initialize(get_examples, nlp=nlp, labels=labels)

    def predict(self, docs: list[Doc]) -> list[NDArray[numpy.int64]]:
        """Find the best label of each token.

        docs: the docs.
        RETURNS: the labels' indices, one array per doc. Shape `(len(doc),)` each.
        """
        docs = list(docs)
        self.check_vectors(docs)
        if not is_linear(self.model, "softmax") or not any(len(doc) for doc in docs):
            labels: list[NDArray[numpy.int64]] = super().predict(docs)
            return labels
        tok2vec, softmax = self.model.get_ref("tok2vec"), self.model.get_ref("softmax")
        best = find_best_labels(self.model.ops, tok2vec.predict(docs), softmax.get_param("W"), softmax.get_param("b"))
        ends = numpy.cumsum([len(doc) for doc in docs])
        return [best[end - len(doc) : end] for doc, end in zip(docs, ends.tolist(), strict=True)]

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from examples.

        examples: the examples.
        drop: rate of dropout, 0 <= drop < 1.
        sgd: the optimizer, or None to add up gradients for a later update.
        losses: losses by component. This one's is added.
        RETURNS: the losses.
        RAISES: ValueError if a score is NaN or infinite.
        """
        try:
            result: dict[str, float] = super().update(examples, drop=drop, sgd=sgd, losses=losses)
        except ValueError as error:
            if "[E940]" in str(error):  # spaCy's error for NaN does not name the component.
                raise self.make_divergence_error(sgd) from error
            raise
        return result

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Compute the loss and its gradient.

        If a reference doc has soft targets for the component, it learns these for all tokens that have them. A single
        label is not smoothed: there is no other to give a share to.

        examples: the examples.
        scores: the model's output for their predicted docs.
        RETURNS: the loss, and the gradient of each array of scores.
        RAISES: ValueError if soft targets have a label that the component does not have, or if a score is NaN or
            infinite.
        """
        self.check_scores(scores)
        if isinstance(self.model.ops, NumpyOps):
            return self._compute_loss(list(examples), scores)
        # thinc computes the loss doc by doc, which on a GPU took more time than the rest of the training.
        loss, d_scores = self._compute_loss(list(examples), move_documents(self.model.ops, NumpyOps(), scores))
        return loss, move_documents(NumpyOps(), self.model.ops, d_scores)

    def _compute_loss(self, examples: list[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Compute the loss and its gradient, in CPU memory."""
        smoothing = self.cfg["label_smoothing"]
        try:
            if len(self.labels) < 2:
                self.cfg["label_smoothing"] = 0.0
            loss, d_scores = super().get_loss(examples, scores)
        except KeyError as error:
            raise ValueError(
                f"The training data has the label {error}, which '{self.name}' does not have. Initialize it with data "
                "that has all labels."
            ) from error
        finally:
            self.cfg["label_smoothing"] = smoothing
        indices = {label: index for index, label in enumerate(self.labels)}
        for i, example in enumerate(examples):
            targets = get_soft_labels(example.reference, self.name)
            if targets is None or not has_same_tokens(example):
                continue
            self._check_labels(targets, indices)
            probabilities, is_known = targets.to_probabilities(indices)
            known: Any = is_known.nonzero()[0]
            teacher_scores = cast(Floats2d, probabilities[is_known])
            soft_loss, (d_soft,) = self.get_teacher_student_loss([teacher_scores], [scores[i][known]])
            loss += targets.weight * soft_loss - _sum_squares(d_scores[i][known])
            d_scores[i][known] = targets.weight * d_soft
        return loss, d_scores

    def get_teacher_student_loss(
        self, teacher_scores: list[Floats2d], student_scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """Compute the loss of a student's probabilities against a teacher's, and its gradient, as in spaCy 4.

        The gradient is that of the cross-entropy. As for gold annotation, spaCy reports the sum of its squares.

        teacher_scores: probabilities of labels, one array per doc. Shape `(n_tokens, n_labels)` each.
        student_scores: the model's output, with the same shapes.
        RETURNS: the loss, and the gradient of each array of the student's scores.
        """
        d_scores = [student - teacher for student, teacher in zip(student_scores, teacher_scores, strict=True)]
        return sum(map(_sum_squares, d_scores)), d_scores

    def _check_labels(self, targets: SoftLabels, indices: Mapping[str, int]) -> None:
        unknown = [label for label in targets.labels if label not in indices]
        if unknown:
            raise ValueError(
                f"The soft targets have the label '{unknown[0]}', which '{self.name}' does not have. Initialize it "
                "with the labels of the teacher, in the config's block [initialize.components]."
            )

    def rehearse(self, examples: Iterable[Example], **settings: Any) -> dict[str, float]:
        """Pull the model back towards its predictions when training was resumed.

        examples: the examples, of which only the predicted docs are read.
        settings: `drop`, `sgd` and `losses`, as for spaCy's `Tagger`.
        RETURNS: the losses.
        RAISES: ValueError if the component listens to a shared tok2vec that is trained or has not run on the docs.
        """
        examples = list(examples)
        self.check_rehearsal(examples)
        losses: dict[str, float] = super().rehearse(examples, **settings)
        return losses


def _sum_squares(values: Floats2d) -> float:
    return float((values**2).sum())  # type: ignore[call-overload]


def is_linear(model: TokenScoresModel, output: str, *others: CRFLayer) -> bool:
    """Return whether a model is a tok2vec and a linear layer, as in `spacy.Tagger.v2`.

    model: the model.
    output: the name of the model's reference to the linear layer, which is inside `with_array`.
    others: the layers that must follow the linear layer.
    """
    if not (model.has_ref("tok2vec") and model.has_ref(output)):
        return False
    tok2vec, *layers = model.layers
    if tok2vec is not model.get_ref("tok2vec") or not layers:
        return False
    return layers[0].layers == [model.get_ref(output)] and layers[1:] == list(others)
