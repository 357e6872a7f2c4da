"""Everything that `Language` does with a pipeline: copies, storage, selection of components, further training."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Adam, fix_random_seed
from toy_corpus import make_docs, make_examples
from toy_pipelines import (
    BILSTM,
    add_stock_pipe,
    get_annotations,
    get_distance,
    get_files,
    get_shims,
    get_weights,
    make_tok2vec,
    overfit,
    update,
)

TEXTS = ["", *(doc.text for doc in make_docs(Vocab(), 20, seed=5))]


def through_bytes(nlp: Language) -> Language:
    """Give a pipeline made from another one's config and bytes."""
    return spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())


def through_disk(nlp: Language, path: Path) -> Language:
    """Give a pipeline saved and loaded."""
    nlp.to_disk(path)
    return spacy.load(path)


COPIES: dict[str, Callable[[Language, Path], Language]] = {
    "bytes": lambda nlp, path: through_bytes(nlp),
    "disk": through_disk,
    "pickle": lambda nlp, path: pickle.loads(pickle.dumps(nlp)),
    "deepcopy": lambda nlp, path: copy.deepcopy(nlp),
}


@pytest.fixture
def tagger_nlp() -> Language:
    """Give a trained tagger that has an encoder of its own."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    add_stock_pipe(nlp, "tagger", make_tok2vec(BILSTM))
    overfit(nlp)
    return nlp


@pytest.mark.parametrize("kind", COPIES)
def test_copy_is_equal_and_independent(kind: str, trained: Language, tmp_path: Path) -> None:
    """A copy of any kind gives the same bytes and annotations; training it leaves the original as it was."""
    data = trained.to_bytes()
    expected = get_annotations(trained.pipe(TEXTS))
    copied = COPIES[kind](trained, tmp_path / "copy")
    assert get_annotations(copied.pipe(TEXTS)) == expected
    start = get_weights(copied.get_pipe("tok2vec").model)
    for name in trained.pipe_names:
        assert copied.get_pipe(name).to_bytes(exclude=["vocab"]) == trained.get_pipe(name).to_bytes(exclude=["vocab"])
    update(copied, copied.resume_training())
    assert get_distance(start, get_weights(copied.get_pipe("tok2vec").model), torch_only=True) > 0
    assert trained.to_bytes() == data
    assert get_annotations(trained.pipe(TEXTS)) == expected


def test_storage_is_reproducible(trained: Language, tmp_path: Path) -> None:
    """What was loaded from bytes or from disk is written as the same bytes and files again."""
    assert through_bytes(trained).to_bytes() == trained.to_bytes()
    through_disk(trained, tmp_path / "first").to_disk(tmp_path / "second")
    assert get_files(tmp_path / "first") == get_files(tmp_path / "second")


def test_select_pipes(trained: Language) -> None:
    """Disabled components annotate nothing and are not trained; enabled again, they are as before."""
    expected = get_annotations(trained.pipe(TEXTS))
    tagger = trained.get_pipe("tagger").to_bytes()
    optimizer = trained.resume_training()
    with trained.select_pipes(enable=["tok2vec", "ner"]):
        docs = list(trained.pipe(TEXTS))
        assert any(doc.ents for doc in docs)
        assert not any(token.tag for doc in docs for token in doc)
    with trained.select_pipes(disable=["tok2vec", "tagger"]):
        pass
    assert get_annotations(trained.pipe(TEXTS)) == expected
    tok2vec = get_weights(trained.get_pipe("tok2vec").model)
    with trained.select_pipes(enable=["tok2vec", "textcat_multilabel"]):  # The last listener starts backpropagation.
        update(trained, optimizer)
    assert trained.get_pipe("tagger").to_bytes() == tagger
    assert get_distance(tok2vec, get_weights(trained.get_pipe("tok2vec").model), torch_only=True) > 0


def test_replace_listeners(trained: Language) -> None:
    """A replaced listener predicts as before, with shims of its own, so that optimizers tell the copies apart."""
    expected = get_annotations(trained.pipe(TEXTS))
    trained.replace_listeners("tok2vec", "tagger", ["model.tok2vec"])
    assert get_annotations(trained.pipe(TEXTS)) == expected
    ids = [shim.id for shim in get_shims(trained)]
    assert len(ids) == len(set(ids)) == 2
    tok2vec = get_weights(trained.get_pipe("tok2vec").model)
    with trained.select_pipes(enable=["tagger"]):
        update(trained, trained.resume_training())
    assert get_distance(tok2vec, get_weights(trained.get_pipe("tok2vec").model)) == 0


def test_rehearse_changes_torch_weights(tagger_nlp: Language) -> None:
    """`nlp.rehearse` draws the model, our torch weights, too, back to what it predicted before (D5)."""
    optimizer = tagger_nlp.resume_training()
    docs = make_docs(tagger_nlp.vocab, 8)
    for _ in range(5):
        wrong = [
            Example.from_dict(Doc(doc.vocab, words=[t.text for t in doc]), {"tags": ["DT"] * len(doc)}) for doc in docs
        ]
        tagger_nlp.update(wrong, sgd=optimizer)
    model = tagger_nlp.get_pipe("tagger").model
    before = get_weights(model)
    accuracy = tagger_nlp.evaluate(make_examples(tagger_nlp.vocab))["tag_acc"]
    assert accuracy < 0.9
    optimizer = Adam(0.01, L2=0.0)  # A new one: what is left of earlier gradients would change weights, too.
    for _ in range(20):
        losses = tagger_nlp.rehearse(make_examples(tagger_nlp.vocab, 8), sgd=optimizer)
    assert losses["tagger"] > 0
    assert get_distance(before, get_weights(model), torch_only=True) > 1e-3
    assert tagger_nlp.evaluate(make_examples(tagger_nlp.vocab))["tag_acc"] > accuracy


def test_resume_training(tagger_nlp: Language) -> None:
    """`nlp.resume_training` goes on from the weights there are, with an optimizer that changes them."""
    weights = get_weights(tagger_nlp.get_pipe("tagger").model)
    optimizer = tagger_nlp.resume_training()
    assert get_distance(weights, get_weights(tagger_nlp.get_pipe("tagger").model)) == 0
    update(tagger_nlp, optimizer)
    assert get_distance(weights, get_weights(tagger_nlp.get_pipe("tagger").model), torch_only=True) > 0
    assert tagger_nlp.evaluate(make_examples(tagger_nlp.vocab))["tag_acc"] > 0.98


def test_docs_keep_their_tensor(trained: Language) -> None:
    """The tok2vec component stores its output as `doc.tensor`, one row a token, also after the doc is stored."""
    doc = trained(TEXTS[1])
    assert doc.tensor.shape == (len(doc), trained.get_pipe("tok2vec").model.get_dim("nO"))
    stored = Doc(trained.vocab).from_bytes(doc.to_bytes())
    numpy.testing.assert_array_equal(stored.tensor, doc.tensor)
