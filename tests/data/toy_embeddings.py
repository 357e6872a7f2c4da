"""Small word embeddings, with the docs and static vectors that tests embed."""

from typing import Any

import numpy
from spacy import registry
from spacy.tokens import Doc
from spacy.vectors import Mode, Vectors
from spacy.vocab import Vocab
from thinc.api import Adam, Model

EMBED_WIDTH = 8
WORDS = [
    "the",
    "The",
    "cat",
    "cats",
    "sat",
    "Zürich",
    "2024",
    "👩‍👩‍👧",
    "e\u0301",
    "שלום",
    "مرحبا",
    "東京",
    "a" * 50,
    " ",
    "\n",
]
DOCUMENTS = [["the", "cat", "sat", "the"], [], ["The", "dog", "sat"], ["Zürich"], WORDS]
# Arguments of `make_embedding` for every kind of feature.
PARTS: dict[str, dict[str, Any]] = {
    "attributes": {},
    "cnn": {"char_encoder": "cnn"},
    "bilstm": {"char_encoder": "bilstm"},
    "vectors": {"include_static_vectors": True},
    "all": {"char_encoder": "cnn", "include_static_vectors": True},
    "characters only": {"attrs": [], "rows": [], "char_encoder": "cnn"},
    "vectors only": {"attrs": [], "rows": [], "include_static_vectors": True},
}


def make_embedding(**arguments: Any) -> Model:
    """Return a small `spacy-bilstm.WordEmbed.v1`, not initialised."""
    build = registry.get("architectures", "spacy-bilstm.WordEmbed.v1")
    sizes = {"char_rows": 40, "char_width": 6, "char_embed_width": 4}
    defaults = {"width": EMBED_WIDTH, "attrs": ["NORM", "PREFIX", "SHAPE"], "rows": [60, 20, 30]}
    return build(**{**defaults, **sizes, **arguments})


def make_vocab(width: int = 5) -> Vocab:
    """Return a vocab with static vectors of four words."""
    vocab = Vocab()
    data = numpy.random.RandomState(0).randn(4, width).astype("f")
    vocab.vectors = Vectors(strings=vocab.strings, data=data, keys=["the", "cat", "sat", "Zürich"])
    return vocab


def make_floret_vocab() -> Vocab:
    """Return a vocab with subword vectors."""
    vocab = Vocab()
    data = numpy.random.RandomState(0).randn(50, 5).astype("f")
    vocab.vectors = Vectors(strings=vocab.strings, data=data, mode=Mode.floret, minn=2, maxn=3, hash_count=2)
    return vocab


def make_word_docs(vocab: Vocab, documents: list[list[str]] = DOCUMENTS) -> list[Doc]:
    """Return docs of the given words, without annotation."""
    return [Doc(vocab, words=words) for words in documents]


def take_gradients(model: Model) -> dict[str, numpy.ndarray]:
    """Return the gradients of an embedding's weights, and remove them from the model."""
    module = model.shims[0].module
    gradients = {
        name: parameter.grad.numpy() for name, parameter in module.named_parameters() if parameter.grad is not None
    }
    for parameter in module.parameters():
        parameter.grad = None
    if model.has_grad("W"):
        gradients["W"] = model.get_grad("W").copy()
        model.set_grad("W", numpy.zeros_like(gradients["W"]))
    return gradients


def train_embedding(model: Model, docs: list[Doc], n_steps: int = 1, **optimizer: Any) -> Adam:
    """Train an embedding to return ones. RETURNS: the optimizer."""
    adam = Adam(0.01, **optimizer)
    for _ in range(n_steps):
        outputs, backprop = model(docs, is_train=True)
        backprop([output - 1.0 for output in outputs])
        model.finish_update(adam)
    return adam


def assert_same_output(model: Model, other: Model, docs: list[Doc]) -> None:
    """Check that two models predict exactly the same."""
    for output, other_output in zip(model.predict(docs), other.predict(docs), strict=True):
        numpy.testing.assert_array_equal(output, other_output)
