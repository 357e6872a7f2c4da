"""Prediction and training of one label per token, as spaCy's `Tagger` does it, but faster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example
from thinc.types import Floats2d

from ..bridge.labels import find_best_labels
from ..bridge.model_types import CRFLayer, TokenScoresModel
from .listeners import ListenerChecks


class FastTagging(ListenerChecks):
    """Makes the prediction of spaCy's `Tagger` and its subclasses fast: one product and one argmax for a whole batch.

    spaCy takes the argmax doc by doc, after a product in thinc that is slower than torch's. `docs/performance.md` shows
    what each stage costs.
    """

    model: TokenScoresModel

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

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Compute the loss and its gradient. A single label is not smoothed: there is no other to give a share to.

        examples: the examples.
        scores: the model's output for their predicted docs.
        RETURNS: the loss, and the gradient of each array of scores.
        """
        smoothing = self.cfg["label_smoothing"]
        try:
            if len(self.labels) < 2:
                self.cfg["label_smoothing"] = 0.0
            loss: tuple[float, list[Floats2d]] = super().get_loss(examples, scores)
        finally:
            self.cfg["label_smoothing"] = smoothing
        return loss

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
