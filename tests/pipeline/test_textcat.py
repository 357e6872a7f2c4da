"""The factories `bilstm_textcat` and `bilstm_textcat_multilabel`: settings, labels, empty docs, storage."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from toy_corpus import LABELS, make_docs, make_examples
from toy_pipelines import BILSTM, LISTENER, get_annotations, get_distance, get_weights, make_tok2vec, overfit, update

STOCK = {"bilstm_textcat": "textcat", "bilstm_textcat_multilabel": "textcat_multilabel"}
SMALL = {"model": {"tok2vec": make_tok2vec(BILSTM)}}


def make_nlp(name: str, config: dict[str, Any] | None = None) -> Language:
    """Return a pipeline with one of our components, by default with a small model."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe(name, config=SMALL if config is None else config)
    return nlp


def get_accuracy(nlp: Language) -> float:
    """Return the score of a pipeline on docs that it was not trained on."""
    return float(nlp.evaluate(make_examples(nlp.vocab, seed=5))["cats_score"])


@pytest.mark.parametrize("name", STOCK)
def test_the_factory_equals_that_of_spacy_except_for_the_model(name: str) -> None:
    nlp = spacy.blank("xx")
    for factory in (name, STOCK[name]):
        nlp.add_pipe(factory)
    ours, stock = (nlp.get_pipe_meta(factory) for factory in (name, STOCK[name]))
    assert ours.assigns == stock.assigns == ["doc.cats"]
    assert ours.default_score_weights == stock.default_score_weights
    assert ours.scores == stock.scores
    assert ours.default_config.keys() == stock.default_config.keys()
    for key in ("threshold", "scorer"):
        assert ours.default_config[key] == stock.default_config[key]


@pytest.mark.parametrize("name", STOCK)
def test_analyze_pipes_finds_no_problem(name: str) -> None:
    nlp = spacy.blank("xx")
    assert nlp.add_pipe(name).is_trainable
    assert not any(nlp.analyze_pipes()["problems"].values())


# Learning


@pytest.fixture(scope="module", params=STOCK)
def default_nlp(request: pytest.FixtureRequest) -> Language:
    """A trained pipeline of one of our components with its default model."""
    nlp = make_nlp(request.param, {})
    overfit(nlp, epochs=2, learn_rate=0.005)
    return nlp


def test_the_default_model_learns(default_nlp: Language) -> None:
    assert get_accuracy(default_nlp) > 0.98


def test_the_default_model_predicts_the_same_after_loading(default_nlp: Language, tmp_path: Path) -> None:
    default_nlp.to_disk(tmp_path)
    texts = ["", *(doc.text for doc in make_docs(default_nlp.vocab, seed=5))]
    assert get_annotations(spacy.load(tmp_path).pipe(texts)) == get_annotations(default_nlp.pipe(texts))


@pytest.mark.parametrize("name", STOCK)
def test_a_listener_learns_and_trains_its_tok2vec(name: str) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe(name, config={"model": {"tok2vec": LISTENER}})
    optimizer = overfit(nlp, epochs=4)
    assert get_accuracy(nlp) > 0.98
    before = get_weights(nlp.get_pipe("tok2vec").model)
    update(nlp, optimizer)
    assert get_distance(before, get_weights(nlp.get_pipe("tok2vec").model), torch_only=True) > 0


def test_rehearsal_changes_torch_weights() -> None:
    nlp = make_nlp("bilstm_textcat")
    overfit(nlp, epochs=3)
    optimizer = nlp.resume_training()
    before = get_weights(nlp.get_pipe("bilstm_textcat").model)
    update(nlp, optimizer)
    nlp.rehearse(make_examples(nlp.vocab, 8), sgd=optimizer)
    assert get_distance(before, get_weights(nlp.get_pipe("bilstm_textcat").model), torch_only=True) > 0


# Empty docs


@pytest.fixture(scope="module", params=STOCK)
def small_nlp(request: pytest.FixtureRequest) -> Language:
    """A pipeline of one of our components, trained on docs among which some were empty."""
    nlp = make_nlp(request.param)
    optimizer = overfit(nlp, epochs=2)
    empty = Example(Doc(nlp.vocab), Doc(nlp.vocab))
    empty.reference.cats = dict.fromkeys(LABELS, 0.0)
    nlp.update([empty, empty], sgd=optimizer)
    nlp.update([empty, *make_examples(nlp.vocab, 3), empty], sgd=optimizer)
    return nlp


def test_an_empty_doc_has_the_same_scores_in_every_batch(small_nlp: Language) -> None:
    alone = small_nlp("").cats
    batch = [doc.cats for doc in small_nlp.pipe(["", "Anna travels to Oslo .", ""])]
    assert batch[0] == pytest.approx(alone, abs=1e-5)
    assert batch[2] == pytest.approx(alone, abs=1e-5)
    assert all(0.0 < score < 1.0 for score in alone.values())


def test_an_empty_batch_has_no_scores(small_nlp: Language) -> None:
    assert small_nlp.get_pipe(small_nlp.pipe_names[0]).predict([]).shape == (0, len(LABELS))


STOCK_MODELS: dict[str, dict[str, Any]] = {
    "spacy.TextCatEnsemble.v2": {
        "tok2vec": make_tok2vec(BILSTM),
        "linear_model": {
            "@architectures": "spacy.TextCatBOW.v3",
            "exclusive_classes": True,
            "length": 64,
            "ngram_size": 1,
            "no_output_layer": False,
        },
    },
    "spacy.TextCatBOW.v3": {"exclusive_classes": True, "length": 64, "ngram_size": 1, "no_output_layer": False},
    "spacy.TextCatReduce.v1": {
        "tok2vec": make_tok2vec(BILSTM),
        "exclusive_classes": True,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": True,
        "use_reduce_mean": False,
    },
}


@pytest.mark.parametrize("architecture", STOCK_MODELS)
def test_an_empty_doc_alone_has_scores_of_zero_with_a_model_of_spacy(architecture: str) -> None:
    """spaCy's models can't read it, and spaCy's component does the same."""
    nlp = make_nlp("bilstm_textcat", {"model": {"@architectures": architecture} | STOCK_MODELS[architecture]})
    nlp.initialize(lambda: make_examples(nlp.vocab))
    assert nlp("").cats == dict.fromkeys(LABELS, 0.0)
    assert sum(nlp("Anna travels .").cats.values()) == pytest.approx(1.0)


# Labels


@pytest.mark.parametrize("name", STOCK)
def test_labels_of_examples_are_sorted(name: str) -> None:
    nlp = make_nlp(name)
    examples = make_examples(nlp.vocab)
    for example in examples:
        example.reference.cats = dict(reversed(example.reference.cats.items()))
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe(name)
    assert pipe.labels == pipe.label_data == tuple(sorted(LABELS))


@pytest.mark.parametrize("name", STOCK)
def test_given_labels_keep_their_order(name: str) -> None:
    nlp = make_nlp(name)
    pipe = nlp.get_pipe(name)
    pipe.initialize(lambda: make_examples(nlp.vocab), labels=["Z", *reversed(LABELS)])
    assert pipe.labels == ("Z", *reversed(LABELS))
    assert len(nlp("Anna travels .").cats) == 3


@pytest.mark.parametrize("name", STOCK)
def test_a_label_added_after_training_is_learned(name: str) -> None:
    nlp = make_nlp(name)
    examples = make_examples(nlp.vocab)
    nlp.initialize(lambda: examples)
    nlp.get_pipe(name).add_label("OTHER")
    assert len(nlp("Anna travels .").cats) == 3
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.02
    for example in examples:
        example.reference.cats = {**dict.fromkeys(LABELS, 0.0), "OTHER": 1.0}
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    assert nlp("Anna travels .").cats["OTHER"] > 0.8


@pytest.mark.parametrize("architecture", ["spacy-bilstm.TextCat.v1", "spacy-bilstm.TextCat.v2"])
@pytest.mark.parametrize("name", STOCK)
def test_a_fixed_number_of_classes_must_be_that_of_the_labels(name: str, architecture: str) -> None:
    pooling = "max" if architecture.endswith("v1") else ["max"]
    model = {"@architectures": architecture, "exclusive_classes": name == "bilstm_textcat", "pooling": pooling}
    nlp = make_nlp(name, {"model": model | SMALL["model"] | {"nO": 5}})
    with pytest.raises(ValueError, match=f"'{name}' is made for 5 classes .* 2 labels. Set nO = null"):
        nlp.initialize(lambda: make_examples(nlp.vocab))
    nlp = make_nlp(name, {"model": model | SMALL["model"] | {"nO": 2}})
    nlp.initialize(lambda: make_examples(nlp.vocab))
    restored = spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert restored("Anna travels .").cats == nlp("Anna travels .").cats


def test_the_positive_label_of_the_config_is_scored() -> None:
    nlp = make_nlp("bilstm_textcat")
    nlp.config["initialize"]["components"] = {"bilstm_textcat": {"positive_label": "TRAVEL"}}
    overfit(nlp, epochs=1)
    assert "TRAVEL" in nlp.evaluate(make_examples(nlp.vocab))["cats_score_desc"]


def test_an_unknown_positive_label_is_an_error() -> None:
    nlp = make_nlp("bilstm_textcat")
    with pytest.raises(ValueError, match="BUS"):
        nlp.get_pipe("bilstm_textcat").initialize(lambda: make_examples(nlp.vocab), positive_label="BUS")


def test_missing_labels_of_multilabel_docs_have_no_loss() -> None:
    nlp = make_nlp("bilstm_textcat_multilabel")
    overfit(nlp, epochs=1)
    examples = make_examples(nlp.vocab, 4)
    for example in examples:
        example.reference.cats = {}
    assert nlp.update(examples, sgd=nlp.resume_training())["bilstm_textcat_multilabel"] == 0.0


@pytest.mark.parametrize("name", STOCK)
def test_a_failed_load_changes_nothing(name: str, tmp_path: Path) -> None:
    nlp = make_nlp(name)
    overfit(nlp, epochs=1)
    pipe = nlp.get_pipe(name)
    pipe.to_disk(tmp_path)
    (tmp_path / "model").write_bytes((tmp_path / "model").read_bytes()[:100])
    before = pipe.to_bytes(exclude=["vocab"])
    with pytest.raises(ValueError, match=f"Can't load the component '{name}'"):
        pipe.from_disk(tmp_path)
    assert pipe.to_bytes(exclude=["vocab"]) == before


FIXED: list[dict[str, Any]] = [
    {"@architectures": "spacy-bilstm.TextCat.v1", "pooling": "max"},
    {"@architectures": "spacy-bilstm.TextCat.v2", "pooling": ["max"], "ngram_size": 2, "ngram_rows": 8},
]


def make_fixed_nlp(name: str, model: dict[str, Any], n_classes: int) -> Language:
    """Return a pipeline of a component whose model is made for a number of classes."""
    settings = {"nO": n_classes, "exclusive_classes": name == "bilstm_textcat", "tok2vec": make_tok2vec(BILSTM)}
    return make_nlp(name, {"model": model | settings})


@pytest.mark.parametrize("model", FIXED, ids=["v1", "v2"])
@pytest.mark.parametrize("name", STOCK)
def test_a_model_with_a_fixed_number_of_classes_is_loaded_with_the_labels_that_it_got_later(
    name: str, model: dict[str, Any], tmp_path: Path
) -> None:
    nlp = make_fixed_nlp(name, model, 2)
    overfit(nlp, epochs=1)
    nlp.get_pipe(name).add_label("OTHER")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded("Anna travels .").cats == nlp("Anna travels .").cats
    loaded.initialize(lambda: make_examples(nlp.vocab))
    assert loaded.get_pipe(name).labels == (*LABELS, "OTHER")


@pytest.mark.parametrize("model", FIXED, ids=["v1", "v2"])
@pytest.mark.parametrize("name", STOCK)
def test_labels_that_were_added_before_count_for_a_fixed_number_of_classes(name: str, model: dict[str, Any]) -> None:
    nlp = make_fixed_nlp(name, model, 2)
    nlp.get_pipe(name).add_label("OTHER")
    with pytest.raises(ValueError, match=f"'{name}' is made for 2 classes .* 3 labels. Set nO = null"):
        nlp.initialize(lambda: make_examples(nlp.vocab))
    nlp = make_fixed_nlp(name, model, 3)
    nlp.get_pipe(name).add_label("OTHER")
    nlp.initialize(lambda: make_examples(nlp.vocab))
    assert len(nlp("Anna travels .").cats) == 3


def test_a_failed_load_keeps_a_fixed_number_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "bilstm_textcat"
    trained, pipe = (make_fixed_nlp(name, FIXED[0], 2).get_pipe(name) for _ in range(2))
    trained.initialize(lambda: make_examples(trained.vocab))
    trained.add_label("OTHER")

    def fail(self: Any, data: bytes) -> Any:
        raise RuntimeError("no space left")

    monkeypatch.setattr(type(pipe.model), "from_bytes", fail)
    with pytest.raises(ValueError, match="no space left"):
        pipe.from_bytes(trained.to_bytes())
    assert {node.maybe_get_dim("nO") for node in (pipe.model, pipe.model.get_ref("output_layer"))} == {2}


def test_rehearsal_after_a_label_was_added_is_an_error_that_says_what_to_do() -> None:
    nlp = make_nlp("bilstm_textcat")
    nlp.initialize(lambda: make_examples(nlp.vocab))
    optimizer = nlp.resume_training()
    nlp.get_pipe("bilstm_textcat").add_label("OTHER")
    with pytest.raises(ValueError, match=r"'bilstm_textcat' got labels .*nlp.resume_training again"):
        nlp.rehearse(make_examples(nlp.vocab), sgd=optimizer)
    nlp.rehearse(make_examples(nlp.vocab), sgd=nlp.resume_training())
