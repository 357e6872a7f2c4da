"""Fast tags on CPU. Docs come in, and the best label of each token goes out."""

from __future__ import annotations

from typing import Any

import numpy
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps

from ..bridge.labels import find_best_labels
from .loading import SafeLoading


class FastTagging(SafeLoading):
    """What spaCy's `Tagger` and its subclasses predict, with one product and one search for all docs of a batch.

    spaCy's own way searches doc by doc, after a product that takes thinc longer than torch. What a stage costs now is
    measured in `docs/performance.md`.
    """

    model: Model[list[Doc], Any]

    def predict(self, docs: list[Doc]) -> list[Any]:
        """Find the best label of each token.

        docs: the docs.
        RETURNS: the labels' numbers, one array a doc. Shape `(len(doc),)` each.
        """
        docs = list(docs)
        if not is_linear(self.model, "softmax") or not any(len(doc) for doc in docs):
            labels: list[Any] = super().predict(docs)
            return labels
        tok2vec, softmax = self.model.get_ref("tok2vec"), self.model.get_ref("softmax")
        best = find_best_labels(tok2vec.predict(docs), softmax.get_param("W"), softmax.get_param("b"))
        ends = numpy.cumsum([len(doc) for doc in docs])
        return [best[end - len(doc) : end] for doc, end in zip(docs, ends.tolist(), strict=True)]


def is_linear(model: Model[list[Doc], Any], output: str, *others: Model[Any, Any]) -> bool:
    """Whether a model on CPU is a tok2vec and a linear layer, as `spacy.Tagger.v2` makes it.

    model: the model.
    output: name of its reference to the linear layer, which is inside `with_array`.
    others: further layers that it must have behind that one.
    """
    if not (model.has_ref("tok2vec") and model.has_ref(output)) or not isinstance(model.ops, NumpyOps):
        return False
    tok2vec, *layers = model.layers
    with_output = layers and layers[0].layers == [model.get_ref(output)]
    return tok2vec is model.get_ref("tok2vec") and bool(with_output) and layers[1:] == list(others)
