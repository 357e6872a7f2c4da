"""What `Language` does with a pipeline: copies, storage, selection of components, further training."""

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
    """Return a pipeline made from the config and the bytes of another one."""
    return spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())


def through_disk(nlp: Language, path: Path) -> Language:
    """Save a pipeline. RETURNS: the loaded pipeline."""
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
    """A trained tagger with an encoder of its own."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    add_stock_pipe(nlp, "tagger", make_tok2vec(BILSTM))
    overfit(nlp)
    return nlp


# Copies and storage


@pytest.fixture(params=COPIES.values(), ids=COPIES.keys())
def copied(request: pytest.FixtureRequest, trained: Language, tmp_path: Path) -> Language:
    """A copy of the trained pipeline."""
    return request.param(trained, tmp_path / "copy")


def test_a_copy_predicts_the_same(trained: Language, copied: Language) -> None:
    assert get_annotations(copied.pipe(TEXTS)) == get_annotations(trained.pipe(TEXTS))


def test_a_copy_has_the_same_bytes(trained: Language, copied: Language) -> None:
    for name in trained.pipe_names:
        assert copied.get_pipe(name).to_bytes(exclude=["vocab"]) == trained.get_pipe(name).to_bytes(exclude=["vocab"])


def test_training_a_copy_leaves_the_original(trained: Language, copied: Language) -> None:
    data, expected = trained.to_bytes(), get_annotations(trained.pipe(TEXTS))
    before = get_weights(copied.get_pipe("tok2vec").model)
    update(copied, copied.resume_training())
    assert get_distance(before, get_weights(copied.get_pipe("tok2vec").model), torch_only=True) > 0
    assert trained.to_bytes() == data
    assert get_annotations(trained.pipe(TEXTS)) == expected


def test_a_pipeline_loaded_from_bytes_is_saved_as_the_same_bytes(trained: Language) -> None:
    assert through_bytes(trained).to_bytes() == trained.to_bytes()


def test_a_pipeline_loaded_from_disk_is_saved_as_the_same_files(trained: Language, tmp_path: Path) -> None:
    through_disk(trained, tmp_path / "first").to_disk(tmp_path / "second")
    assert get_files(tmp_path / "first") == get_files(tmp_path / "second")


def test_docs_have_token_vectors_as_their_tensor(trained: Language) -> None:
    doc = trained(TEXTS[1])
    assert doc.tensor.shape == (len(doc), trained.get_pipe("tok2vec").model.get_dim("nO"))


def test_a_stored_doc_keeps_its_tensor(trained: Language) -> None:
    doc = trained(TEXTS[1])
    stored = Doc(trained.vocab).from_bytes(doc.to_bytes())
    numpy.testing.assert_array_equal(stored.tensor, doc.tensor)


# Selection of components


def test_disabled_components_annotate_nothing(trained: Language) -> None:
    with trained.select_pipes(enable=["tok2vec", "ner"]):
        docs = list(trained.pipe(TEXTS))
    assert any(doc.ents for doc in docs)
    assert not any(token.tag for doc in docs for token in doc)


def test_components_that_are_enabled_again_annotate_as_before(trained: Language) -> None:
    expected = get_annotations(trained.pipe(TEXTS))
    with trained.select_pipes(disable=["tok2vec", "tagger"]):
        pass
    assert get_annotations(trained.pipe(TEXTS)) == expected


def test_disabled_components_are_not_trained(trained: Language) -> None:
    tagger, tok2vec = trained.get_pipe("tagger"), trained.get_pipe("tok2vec")
    before, weights = tagger.to_bytes(), get_weights(tok2vec.model)
    optimizer = trained.resume_training()
    with trained.select_pipes(enable=["tok2vec", "textcat_multilabel"]):  # The last listener starts backpropagation.
        update(trained, optimizer)
    assert tagger.to_bytes() == before
    assert get_distance(weights, get_weights(tok2vec.model), torch_only=True) > 0


# Replaced listeners


@pytest.fixture
def replaced(trained: Language) -> Language:
    """The trained pipeline; its tagger has a copy of the tok2vec instead of a listener."""
    trained.replace_listeners("tok2vec", "tagger", ["model.tok2vec"])
    return trained


def test_a_replaced_listener_predicts_the_same(trained_path: Path, replaced: Language) -> None:
    expected = get_annotations(spacy.load(trained_path).pipe(TEXTS))
    assert get_annotations(replaced.pipe(TEXTS)) == expected


def test_a_replaced_listener_has_a_shim_of_its_own(replaced: Language) -> None:
    """Optimizers store their state by the id of the shim."""
    ids = [shim.id for shim in get_shims(replaced)]
    assert len(ids) == len(set(ids)) == 2


def test_training_a_replaced_listener_leaves_the_tok2vec(replaced: Language) -> None:
    before = get_weights(replaced.get_pipe("tok2vec").model)
    with replaced.select_pipes(enable=["tagger"]):
        update(replaced, replaced.resume_training())
    assert get_distance(before, get_weights(replaced.get_pipe("tok2vec").model)) == 0


# Further training


def test_rehearsal_changes_torch_weights_towards_earlier_predictions(tagger_nlp: Language) -> None:
    """D5: thinc's shim passes gradients of zero."""
    optimizer = tagger_nlp.resume_training()
    docs = make_docs(tagger_nlp.vocab, 8)
    for _ in range(5):
        incorrect = [
            Example.from_dict(Doc(doc.vocab, words=[t.text for t in doc]), {"tags": ["DT"] * len(doc)}) for doc in docs
        ]
        tagger_nlp.update(incorrect, sgd=optimizer)
    model = tagger_nlp.get_pipe("tagger").model
    before = get_weights(model)
    accuracy = tagger_nlp.evaluate(make_examples(tagger_nlp.vocab))["tag_acc"]
    assert accuracy < 0.9
    optimizer = Adam(0.01, L2=0.0)  # A new one: the moments of earlier gradients would change weights, too.
    for _ in range(20):
        losses = tagger_nlp.rehearse(make_examples(tagger_nlp.vocab, 8), sgd=optimizer)
    assert losses["tagger"] > 0
    assert get_distance(before, get_weights(model), torch_only=True) > 1e-3
    assert tagger_nlp.evaluate(make_examples(tagger_nlp.vocab))["tag_acc"] > accuracy


def test_resumed_training_starts_from_the_present_weights(tagger_nlp: Language) -> None:
    model = tagger_nlp.get_pipe("tagger").model
    weights = get_weights(model)
    optimizer = tagger_nlp.resume_training()
    assert get_distance(weights, get_weights(model)) == 0
    update(tagger_nlp, optimizer)
    assert get_distance(weights, get_weights(model), torch_only=True) > 0
    assert tagger_nlp.evaluate(make_examples(tagger_nlp.vocab))["tag_acc"] > 0.98
