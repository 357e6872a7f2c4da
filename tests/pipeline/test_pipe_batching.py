"""Annotations and token vectors of a doc do not depend on the other docs of its batch."""

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
    """Annotate the texts in some order. RETURNS: the docs in the original order."""
    docs = dict(zip(order, nlp.pipe([TEXTS[i] for i in order], batch_size=batch_size), strict=True))
    return [docs[i] for i in range(len(TEXTS))]


def check(nlp: Language) -> None:
    """Compare docs in batches of several sizes and orders to docs annotated one by one."""
    order = list(range(len(TEXTS)))
    expected = annotate(nlp, order, 1)
    assert any(token.tag_ for doc in expected for token in doc)
    for batch_size in (1, 3, 64):
        random.Random(batch_size).shuffle(order)
        docs = annotate(nlp, order, batch_size)
        assert get_annotations(docs) == get_annotations(expected)
        for doc, expected_doc in zip(docs, expected, strict=True):
            numpy.testing.assert_allclose(doc.tensor, expected_doc.tensor, rtol=0, atol=1e-5)


def test_all_components_on_a_shared_encoder_are_independent_of_the_batch(trained: Language) -> None:
    check(trained)


@pytest.mark.parametrize("encode", [GRU, DEEP], ids=["GRU", "deep"])
def test_components_on_other_encoders_are_independent_of_the_batch(encode: dict) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode) | {"embed": EMBED}})
    for name in ("tagger", "ner"):
        add_stock_pipe(nlp, name, LISTENER)
    overfit(nlp, epochs=3)
    check(nlp)


def test_the_torch_encoder_of_spacy_depends_on_the_batch() -> None:
    """`spacy.TorchBiLSTMEncoder.v1` reads the padding of shorter docs."""
    nlp = spacy.blank("xx")
    encode = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": WIDTH, "depth": 1, "dropout": 0.0}
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode)})
    add_stock_pipe(nlp, "tagger", LISTENER)
    nlp.initialize(lambda: make_examples(nlp.vocab))
    with pytest.raises(AssertionError):
        check(nlp)
