"""A doc's annotations and vectors do not depend on the docs in its batch."""

import random

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import fix_random_seed
from toy_corpus import make_docs, make_examples
from toy_pipelines import BILSTM, EMBED, GRU, LISTENER, WIDTH, add_stock_pipe, get_annotations, make_tok2vec, overfit

TEXTS = ["", *(doc.text for doc in make_docs(Vocab(), 60, seed=5)), "", "Rome", " ".join(["the old dog"] * 30)]
DEEP = BILSTM | {"depth": 2, "merge": "mul"}


def annotate(nlp: Language, order: list[int], batch_size: int) -> list[Doc]:
    """Annotate the texts in some order and give the docs in the original one."""
    docs = dict(zip(order, nlp.pipe([TEXTS[i] for i in order], batch_size=batch_size), strict=True))
    return [docs[i] for i in range(len(TEXTS))]


def check(nlp: Language) -> None:
    """Check docs in batches of several sizes and in any order against those annotated one by one."""
    order = list(range(len(TEXTS)))
    expected = annotate(nlp, order, 1)
    assert any(token.tag_ for doc in expected for token in doc)
    for batch_size in (1, 3, 64):
        random.Random(batch_size).shuffle(order)
        docs = annotate(nlp, order, batch_size)
        assert get_annotations(docs) == get_annotations(expected)
        for doc, expected_doc in zip(docs, expected, strict=True):
            numpy.testing.assert_allclose(doc.tensor, expected_doc.tensor, rtol=0, atol=1e-5)


def test_all_components_on_one_encoder(trained: Language) -> None:
    """All components of a trained pipeline annotate the same in any batch; the shared vectors agree to 1e-5."""
    check(trained)


@pytest.mark.parametrize("encode", [GRU, DEEP], ids=["GRU", "deep"])
def test_other_encoders(encode: dict) -> None:
    """A tagger and an entity recogniser on other encoders annotate the same in any batch."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode) | {"embed": EMBED}})
    for name in ("tagger", "ner"):
        add_stock_pipe(nlp, name, LISTENER)
    overfit(nlp, epochs=3)
    check(nlp)


def test_spacys_own_torch_encoder_depends_on_the_batch() -> None:
    """The same check fails on `spacy.TorchBiLSTMEncoder.v1`, which reads the padding of shorter docs."""
    nlp = spacy.blank("en")
    encode = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": WIDTH, "depth": 1, "dropout": 0.0}
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode)})
    add_stock_pipe(nlp, "tagger", LISTENER)
    nlp.initialize(lambda: make_examples(nlp.vocab))
    with pytest.raises(AssertionError):
        check(nlp)
