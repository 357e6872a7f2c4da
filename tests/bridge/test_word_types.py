"""The word types of a batch: what distinguishes them, and which features they have."""

import numpy
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab
from toy_embeddings import PARTS, make_embedding, make_vocab, make_word_docs

from spacy_bilstm.bridge.identity_dropout import UNSEEN
from spacy_bilstm.bridge.word_types import find_word_types


@pytest.mark.parametrize(
    ("attrs", "n_types"), [(["ORTH"], 1), (["TAG"], 2), (["NORM"], 2), (["TAG", "NORM"], 3)], ids=str
)
def test_a_type_is_a_distinct_combination_of_the_attributes(attrs: list[str], n_types: int) -> None:
    doc = Doc(Vocab(), words=["run", "run", "run", "run"], tags=["VB", "NN", "NN", "NN"])
    doc[2].norm_ = "walk"
    model = make_embedding(attrs=attrs, rows=[50] * len(attrs))
    model.initialize(X=[doc])
    types, token_types = find_word_types(model, [doc])
    assert len(types.examples) == n_types == len(set(token_types.tolist()))
    assert len(numpy.unique(model.predict([doc])[0].round(4), axis=0)) == n_types


def test_tokens_with_equal_features_share_a_type() -> None:
    docs = make_word_docs(make_vocab())
    types, token_types = find_word_types(make_embedding(attrs=["ORTH"], rows=[50]), docs)
    orths = [token.orth for doc in docs for token in doc]
    assert len(types.examples) == len(set(orths))
    assert types.attrs[0][token_types].tolist() == orths
    assert numpy.array(orths, dtype="uint64")[types.examples].tolist() == types.attrs[0].tolist()


def test_only_features_that_the_layer_reads_are_there() -> None:
    docs = make_word_docs(make_vocab())
    model = make_embedding(attrs=["NORM"], rows=[50])
    types, _ = find_word_types(model, docs)
    assert (types.orths, types.vector_keys, types.vectors) == (None, None, None)
    assert types.get_features().shape[1] == 1


def test_words_come_from_the_vocab_of_their_doc() -> None:
    docs = [Doc(Vocab(), words=words) for words in (["one", "word"], ["another", "word"])]
    model = make_embedding(char_encoder="cnn")
    types, token_types = find_word_types(model, docs)
    words = types.get_words()
    assert [words[i] for i in token_types.tolist()] == ["one", "word", "another", "word"]


def test_selected_types_keep_their_features() -> None:
    docs = make_word_docs(make_vocab())
    model = make_embedding(**PARTS["all"])
    model.initialize(X=docs)
    types, _ = find_word_types(model, docs)
    some = types.select(numpy.array([3, 0]))
    numpy.testing.assert_array_equal(some.get_features(), types.get_features()[[3, 0]])
    assert some.get_words() == [types.get_words()[i] for i in (3, 0)]


@pytest.fixture
def docs() -> list[Doc]:
    return make_word_docs(make_vocab())


def test_a_dropped_identity_makes_another_type(docs: list[Doc]) -> None:
    model = make_embedding(attrs=["ORTH"], rows=[50], char_encoder="cnn", identity_dropout=2.0)
    find_word_types(model, docs, is_train=True)
    seen, _ = find_word_types(model, docs)
    dropped, _ = find_word_types(model, docs, is_train=True)
    assert len(dropped.examples) > len(seen.examples)
    assert (dropped.attrs[0] == UNSEEN).any()


def test_dropped_words_keep_their_characters(docs: list[Doc]) -> None:
    model = make_embedding(attrs=["ORTH"], rows=[50], char_encoder="cnn", identity_dropout=2.0)
    types, token_types = find_word_types(model, docs, is_train=True)
    words = types.get_words()
    assert [words[i] for i in token_types.tolist()] == [token.text for doc in docs for token in doc]


def test_training_adds_words_to_those_seen(docs: list[Doc]) -> None:
    model = make_embedding(attrs=["ORTH"], rows=[50], identity_dropout=0.3)
    before, _ = find_word_types(model, docs)
    find_word_types(model, docs, is_train=True)
    after, _ = find_word_types(model, docs)
    assert (before.attrs[0] == UNSEEN).all()
    assert not (after.attrs[0] == UNSEEN).any()


def test_without_identity_dropout_no_word_is_unseen(docs: list[Doc]) -> None:
    types, _ = find_word_types(make_embedding(attrs=["ORTH"], rows=[50]), docs)
    assert not (types.attrs[0] == UNSEEN).any()


def test_looks_of_unseen_words_stay(docs: list[Doc]) -> None:
    model = make_embedding(attrs=["SHAPE"], rows=[50], identity_dropout=0.3)
    types, _ = find_word_types(model, docs)
    assert not (types.attrs[0] == UNSEEN).any()
