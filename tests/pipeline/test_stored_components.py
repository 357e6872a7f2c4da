"""Components that are damaged or hostile: the fault is named, and the component stays as it was."""

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
import torch
from safetensors.torch import save
from toy_components import ARCHITECTURES, make_pipe, make_trained_pipe, store_all
from toy_corpus import make_examples
from toy_pipelines import BILSTM, make_tok2vec

from spacy_bilstm.bridge.format import FORMAT

NAN, INFINITY = float("nan"), float("inf")
NER, TEXTCAT = "bilstm_ner", "bilstm_textcat"
OUTPUTS = dict.fromkeys(("bilstm_tagger", "bilstm_morphologizer", TEXTCAT), "softmax")
OUTPUTS |= dict.fromkeys((NER, "bilstm_textcat_multilabel"), "linear")


@cache
def get_pipe(name: str) -> Any:
    """Return a component that is not initialised and that stays as it is, for tests that only fail to load it."""
    return make_pipe(name)


@pytest.fixture(scope="module")
def stored() -> dict[str, bytes]:
    """The bytes of all components, initialised."""
    return store_all()


def edit_settings(data: bytes, **settings: Any) -> bytes:
    message = srsly.msgpack_loads(data)
    message["cfg"] = json.dumps(srsly.json_loads(message["cfg"]) | settings)
    return srsly.msgpack_dumps(message)


def edit_parameter(data: bytes, layer: str, name: str, edit: Callable[[Any], Any]) -> bytes:
    message = srsly.msgpack_loads(data)
    model = srsly.msgpack_loads(message["model"])
    index = next(i for i, info in enumerate(model["nodes"]) if info["name"] == layer)
    model["params"][index][name] = edit(model["params"][index][name])
    return srsly.msgpack_dumps(message | {"model": srsly.msgpack_dumps(model)})


def check_refused(pipe: Any, data: bytes, message: str, path: Path) -> None:
    """Load data from bytes and from disk. Check both errors, and that the component does not change."""
    before, settings = pipe.to_bytes(exclude=["vocab"]), copy.deepcopy(pipe.cfg)
    fields = srsly.msgpack_loads(data)
    path.mkdir(exist_ok=True)
    (path / "model").write_bytes(fields["model"])
    (path / "cfg").write_text(fields["cfg"])
    loads = {
        "bytes": lambda: pipe.from_bytes(data, exclude=["vocab"]),
        str(path): lambda: pipe.from_disk(path, exclude=["vocab"]),
    }
    for source, load in loads.items():
        with pytest.raises(ValueError, match=f"(?s)Can't load the component '{pipe.name}' from {source}: .*{message}"):
            load()
        assert pipe.to_bytes(exclude=["vocab"]) == before
        assert pipe.cfg == settings


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_whole_component_loads(stored: dict[str, bytes], name: str) -> None:
    for pipe in (make_pipe(name), make_trained_pipe(name)):
        assert pipe.from_bytes(stored[name], exclude=["vocab"]).to_bytes(exclude=["vocab"]) == stored[name]


@pytest.mark.parametrize("value", [NAN, INFINITY])
@pytest.mark.parametrize("name", OUTPUTS)
def test_weights_that_are_not_finite_are_refused(
    stored: dict[str, bytes], name: str, value: float, tmp_path: Path
) -> None:
    data = edit_parameter(stored[name], OUTPUTS[name], "b", lambda b: numpy.full_like(b, value))
    message = f"in 'model', in the layer '{OUTPUTS[name]}', the parameter 'b' has values that are NaN or infinite"
    check_refused(get_pipe(name), data, message, tmp_path)
    check_refused(get_pipe(name).from_bytes(stored[name], exclude=["vocab"]), data, message, tmp_path)


@pytest.mark.parametrize("name", OUTPUTS)
def test_weights_of_another_width_are_refused(stored: dict[str, bytes], name: str, tmp_path: Path) -> None:
    data = edit_parameter(stored[name], OUTPUTS[name], "W", lambda W: numpy.zeros((len(W), 99), dtype="f"))
    check_refused(get_pipe(name), data, "in 'model', in the layer .*, the parameter 'W' has the shape", tmp_path)


BAD_LABELS: list[Any] = ["LOC", ["A", "A"], ["A", ""], ["A", 3], {"A": 1}, None, 7]
BAD_SETTINGS: list[tuple[str, str, Any]] = [
    *((NER, "labels", labels) for labels in BAD_LABELS),
    *((name, "labels", "LOC") for name in ("bilstm_tagger", TEXTCAT, "bilstm_textcat_multilabel")),
    *((NER, "temperature", value) for value in (-1, 0, "x", None, True)),
    *((NER, "threshold", value) for value in (2, -0.1, "x", None)),
    (NER, "confidences", 3),
    (NER, "incorrect_spans_key", ["x"]),
    (NER, "configured", "x"),
    *((TEXTCAT, "threshold", value) for value in (2, "x")),
    (TEXTCAT, "positive_label", 4),
    ("bilstm_tagger", "label_smoothing", 1.0),
    ("bilstm_tagger", "overwrite", "no"),
    ("bilstm_tagger", "neg_prefix", 1),
    ("bilstm_morphologizer", "extend", 2),
    ("bilstm_morphologizer", "labels_morph", ["A"]),
    ("bilstm_morphologizer", "labels_morph", {"A": 3}),
    ("bilstm_morphologizer", "labels_pos", {"A": "NOUN"}),
]


@pytest.mark.parametrize(("name", "setting", "value"), BAD_SETTINGS, ids=repr)
def test_a_bad_setting_is_refused(
    stored: dict[str, bytes], name: str, setting: str, value: Any, tmp_path: Path
) -> None:
    data = edit_settings(stored[name], **{setting: value})
    check_refused(get_pipe(name), data, f"in 'cfg', the setting '{setting}' must be ", tmp_path)


def edit_shims(data: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """Return a stored component with other bytes for its torch modules."""
    message = srsly.msgpack_loads(data)
    model = srsly.msgpack_loads(message["model"])
    model["shims"] = [[edit(shim) for shim in shims] for shims in model["shims"]]
    return srsly.msgpack_dumps(message | {"model": srsly.msgpack_dumps(model)})


NEWER = (
    f"it is stored in format {FORMAT + 1}, but spacy-bilstm .* reads formats up to {FORMAT}. Install a newer version: "
)
NEWER += "python -m pip install --upgrade spacy-bilstm$"


def test_settings_of_a_newer_format_are_refused_with_the_way_to_load_them(
    stored: dict[str, bytes], tmp_path: Path
) -> None:
    data = edit_settings(stored[NER], format=FORMAT + 1, temperature="new kind of value")
    check_refused(get_pipe(NER), data, NEWER, tmp_path)


def test_weights_of_a_newer_format_are_refused_with_the_way_to_load_them(
    stored: dict[str, bytes], tmp_path: Path
) -> None:
    newer = save({"new": torch.ones(1)}, metadata={"spacy-bilstm.format": str(FORMAT + 1)})
    check_refused(get_pipe(NER), edit_shims(stored[NER], lambda _: newer), NEWER, tmp_path)


@pytest.mark.parametrize("number", [0, "2", None, 1.5, True], ids=repr)
def test_a_format_that_is_no_number_of_a_format_is_refused(
    stored: dict[str, bytes], number: Any, tmp_path: Path
) -> None:
    data = edit_settings(stored[NER], format=number)
    check_refused(get_pipe(NER), data, "in 'cfg', the format must be a whole number of at least 1", tmp_path)


@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_settings_that_are_no_json_are_refused(stored: dict[str, bytes], value: float, tmp_path: Path) -> None:
    data = edit_settings(stored[NER], temperature=value)
    check_refused(get_pipe(NER), data, "'cfg' is not valid JSON", tmp_path)


def test_labels_of_a_morphologizer_that_do_not_match_are_refused(stored: dict[str, bytes], tmp_path: Path) -> None:
    data = edit_settings(stored["bilstm_morphologizer"], labels_pos={"A": 1})
    check_refused(get_pipe("bilstm_morphologizer"), data, "have different labels", tmp_path)


@pytest.mark.parametrize("labels", [["A"], ["A", "B", "C"], []], ids=len)
@pytest.mark.parametrize("name", [NER, "bilstm_tagger", TEXTCAT, "bilstm_textcat_multilabel"])
def test_a_number_of_labels_that_the_model_is_not_made_for_is_refused(
    stored: dict[str, bytes], name: str, labels: list[str], tmp_path: Path
) -> None:
    data = edit_settings(stored[name], labels=labels)
    check_refused(get_pipe(name), data, rf"the {len(labels)} labels in 'cfg' need \d+ outputs", tmp_path)


def test_a_component_without_its_labels_is_refused(stored: dict[str, bytes]) -> None:
    data = {name: value for name, value in srsly.msgpack_loads(stored["bilstm_tagger"]).items() if name != "cfg"}
    with pytest.raises(ValueError, match="the 0 labels in 'cfg' need 0 outputs"):
        make_pipe("bilstm_tagger").from_bytes(srsly.msgpack_dumps(data), exclude=["vocab"])


@pytest.mark.parametrize("data", [b"", b"\xc1", srsly.msgpack_dumps([1]), srsly.msgpack_dumps({"cfg": "[1"})])
def test_bytes_that_are_no_component_are_refused(data: bytes) -> None:
    pipe = make_pipe(NER)
    with pytest.raises(ValueError, match="Can't load the component 'bilstm_ner' from bytes"):
        pipe.from_bytes(data)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "bilstm_tok2vec"])
def test_after_a_failed_load_a_component_can_be_initialised(stored: dict[str, bytes], name: str) -> None:
    pipe = make_pipe(name)
    damaged = edit_parameter(stored[name], OUTPUTS[name], "b", lambda b: b[:1])
    with pytest.raises(ValueError, match="Can't load"):
        pipe.from_bytes(damaged)
    assert pipe.model.has_dim("nO") is None
    pipe.initialize(lambda: make_examples(pipe.vocab))
    assert pipe.model.has_dim("nO")


def test_after_a_load_that_fails_late_a_component_can_be_initialised(
    stored: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a layer of the user's own that refuses its weights."""
    pipe = make_pipe(NER)
    load = type(pipe.model).from_bytes

    def fail(self: Any, data: bytes) -> Any:
        load(self, data)
        raise RuntimeError("no space left")

    monkeypatch.setattr(type(pipe.model), "from_bytes", fail)
    with pytest.raises(ValueError, match="no space left"):
        pipe.from_bytes(stored[NER], exclude=["vocab"])
    monkeypatch.undo()
    assert pipe.labels == ()
    assert pipe.model.has_dim("nO") is None
    pipe.initialize(lambda: make_examples(pipe.vocab))


# Training that diverges


def spoil(pipe: Any) -> None:
    """Set one weight of a component to NaN, in the torch module and in the output layer."""
    for node in pipe.model.walk():
        for shim in node.shims:
            next(shim.module.parameters()).data.view(-1)[0] = NAN


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_weights_that_are_not_finite_are_not_saved(name: str, tmp_path: Path) -> None:
    pipe = make_trained_pipe(name)
    spoil(pipe)
    message = rf"Can't save the component '{name}': the weights '.*' of the layer 'recurrent_encoder' are NaN"
    with pytest.raises(ValueError, match=message):
        pipe.to_bytes()
    with pytest.raises(ValueError, match=message):
        pipe.to_disk(tmp_path / "pipe")
    assert not (tmp_path / "pipe").exists()


def test_parameters_that_are_not_finite_are_not_saved() -> None:
    pipe = make_trained_pipe(NER)
    pipe.model.get_ref("crf").get_param("transitions")[0] = INFINITY
    with pytest.raises(ValueError, match="the weights 'transitions' of the layer 'crf' are NaN or infinite"):
        pipe.to_bytes()


def test_weights_of_our_encoder_in_a_stock_component_are_not_saved_if_not_finite(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    pipe: Any = nlp.add_pipe("tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.initialize()
    spoil(pipe)
    with pytest.raises(ValueError, match=r"Can't save the weights .* NaN or infinite"):
        nlp.to_disk(tmp_path)


@pytest.mark.parametrize("optimizer", ["Adam.v1", "spacy-bilstm.Adam.v1"])
@pytest.mark.parametrize("name", [NER, "bilstm_tagger", TEXTCAT])
def test_a_gradient_that_is_not_finite_is_an_error_that_names_step_component_and_weights(
    name: str, optimizer: str
) -> None:
    pipe = make_trained_pipe(name)
    sgd = spacy.registry.get("optimizers", optimizer)(0.01)
    pipe.update(make_examples(pipe.vocab), sgd=sgd)
    sgd.step_schedules()
    pipe.update(make_examples(pipe.vocab))
    before = pipe.to_bytes()
    layer = next(node for node in pipe.model.walk() if node.name == OUTPUTS[name])
    layer.get_grad("b")[0] = NAN
    message = f"component '{name}' diverged in step 2: the gradients of 'b' of the layer '{layer.name}' are NaN"
    with pytest.raises(ValueError, match=message):
        pipe.finish_update(sgd)
    assert pipe.to_bytes() == before
    pipe.finish_update(sgd)  # The gradients are gone, so training can continue.
    assert pipe.to_bytes()


def test_gradients_of_torch_modules_that_are_not_finite_are_an_error() -> None:
    pipe = make_trained_pipe(NER)
    sgd = spacy.registry.get("optimizers", "Adam.v1")(0.01)
    pipe.update(make_examples(pipe.vocab))
    (shim,) = [shim for node in pipe.model.walk() for shim in node.shims]
    name, parameter = next(iter(shim.module.named_parameters()))
    parameter.grad[0, 0] = -INFINITY
    with pytest.raises(ValueError, match=f"step 1: the gradients of '{name}' of the layer 'recurrent_encoder'"):
        pipe.finish_update(sgd)


# thinc's softmax warns of infinite scores.
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning:thinc")
@pytest.mark.parametrize("name", [NER, "bilstm_tagger", TEXTCAT])
@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_scores_that_are_not_finite_are_an_error_that_names_component_and_weights(name: str, value: float) -> None:
    pipe = make_trained_pipe(name)
    layer = next(node for node in pipe.model.walk() if node.name == OUTPUTS[name])
    layer.get_param("b")[0] = value
    with pytest.raises(ValueError, match=f"component '{name}' diverged.*the weights 'b' of the layer '{layer.name}'"):
        pipe.update(make_examples(pipe.vocab))


def test_the_error_about_scores_names_the_step_if_the_optimizer_is_given() -> None:
    pipe = make_trained_pipe(NER)
    sgd = spacy.registry.get("optimizers", "Adam.v1")(0.01)
    pipe.update(make_examples(pipe.vocab), sgd=sgd)
    pipe.model.get_ref("output_layer").get_param("b")[0] = NAN
    with pytest.raises(ValueError, match="diverged in step 2"):
        pipe.update(make_examples(pipe.vocab), sgd=sgd)


def test_scores_that_are_not_finite_are_an_error_that_names_the_component_in_prediction_too() -> None:
    pipe = make_trained_pipe(NER)
    pipe.model.get_ref("output_layer").get_param("b")[0] = INFINITY
    with pytest.raises(ValueError, match=f"component '{NER}' diverged.*'b' of the layer"):
        pipe.predict([example.predicted for example in make_examples(pipe.vocab)])
