"""Bad configs and bad model files: errors that say what is wrong, where, and what to do; nothing is half loaded."""

import io
import random
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import torch
from spacy.language import Language
from spacy.util import registry
from thinc.api import fix_random_seed
from toy_corpus import make_docs, make_examples
from toy_pipelines import (
    BILSTM,
    LISTENER,
    WIDTH,
    add_stock_pipe,
    get_annotations,
    get_shims,
    make_tok2vec,
    overfit,
    update,
)

BILSTM_NAME, RECURRENT_NAME = "spacy-bilstm.BiLSTMEncoder.v1", "spacy-bilstm.RecurrentEncoder.v1"
FACTORIES = ["bilstm_tok2vec", "bilstm_tagger", "bilstm_morphologizer"]


@pytest.mark.parametrize("architecture", [BILSTM_NAME, RECURRENT_NAME])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "lsmt"}, "Unknown cell 'lsmt'. Use one of: rnn, gru, lstm"),
        ({"merge": "concatenate"}, "Unknown merge 'concatenate'. Use one of: concat, sum, mean, mul"),
        ({"width": 15}, "width must be even, but it is 15. Use "),
        ({"depth": 0}, "needs depth >= 1, but depth is 0"),
        ({"width": 0}, "needs width >= 1, but width is 0"),
        ({"dropout": -0.1}, "dropout is a rate and must be at least 0 and less than 1, but it is -0.1"),
        ({"dropout": 1.0}, "dropout is a rate and must be at least 0 and less than 1, but it is 1.0"),
        ({"recurrent_dropout": 1.0}, "recurrent_dropout is a rate and must be at least 0 and less than 1"),
    ],
    ids=str,
)
def test_bad_argument_of_an_encoder(architecture: str, arguments: dict[str, Any], message: str) -> None:
    """A bad argument in the config is an error that names it, its value and what would be right."""
    if architecture == BILSTM_NAME and not arguments.keys() <= {"width", "depth", "merge", "dropout"}:
        message = "unexpected argument"  # spaCy's validation of the config.
    encode = {"@architectures": architecture, "width": WIDTH} | arguments
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match=re.escape(message)) as info:
        nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode)})
    assert next(iter(arguments)) in str(info.value)
    assert nlp.pipe_names == []


@pytest.mark.parametrize("architecture", [BILSTM_NAME, RECURRENT_NAME])
def test_width_of_the_embedding_does_not_fit(architecture: str) -> None:
    """An encoder wider than its embedding is an error at `nlp.initialize` that names both widths and the cure."""
    nlp = spacy.blank("en")
    encode = {"@architectures": architecture, "width": 96}
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode, embed_width=64)})
    add_stock_pipe(nlp, "tagger", LISTENER | {"width": 96})
    with pytest.raises(ValueError, match=r"'recurrent_encoder' takes rows of width 96, but .* gives rows of width 64"):
        nlp.initialize(lambda: make_examples(nlp.vocab))
    cured = {"@architectures": RECURRENT_NAME, "width": 96, "nI": 64}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(cured, embed_width=64)})
    nlp.initialize(lambda: make_examples(nlp.vocab))
    assert nlp("Anna").tensor.shape == (1, 96)


def make_nlp(width: int = WIDTH) -> Language:
    """Give an untrained pipeline of our three components, each with an encoder of its own."""
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_tok2vec", config={"model": make_tok2vec(BILSTM | {"width": width}, width)})
    for name in ("bilstm_tagger", "bilstm_morphologizer"):
        tok2vec = make_tok2vec(BILSTM | {"width": width}, width)
        nlp.add_pipe(name, config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    return nlp


@pytest.fixture(scope="module")
def nlp_bytes() -> bytes:
    """Give a trained pipeline of our three components, as bytes."""
    fix_random_seed(0)
    nlp = make_nlp()
    overfit(nlp, epochs=5)
    return nlp.to_bytes()


@pytest.fixture(scope="module")
def wide_nlp() -> Language:
    """Give a pipeline of our three components, of another width."""
    nlp = make_nlp(2 * WIDTH)
    nlp.initialize(lambda: make_examples(nlp.vocab))
    return nlp


@pytest.fixture
def nlp(nlp_bytes: bytes) -> Language:
    """Give the trained pipeline of our three components, loaded afresh."""
    return make_nlp().from_bytes(nlp_bytes)


def edit_shims(model: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """Give a model's bytes with the weights of its torch modules edited."""
    message = srsly.msgpack_loads(model)
    message["shims"] = [[edit(data) for data in shims] for shims in message["shims"]]
    return srsly.msgpack_dumps(message)


def to_pickle(weights: bytes) -> bytes:
    """Give a torch.save file in place of some weights."""
    file = io.BytesIO()
    torch.save({"weights": len(weights)}, file)
    return file.getvalue()


def build_encoder(**arguments: Any) -> bytes:
    """Give the weights of a fresh encoder."""
    return registry.get("architectures", RECURRENT_NAME)(width=WIDTH, **arguments).shims[0].to_bytes()


BAD_MODELS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated file": (lambda model: model[: len(model) // 2], "Unpack"),
    "empty file": (lambda model: b"", "Unpack"),
    "truncated weights": (lambda model: edit_shims(model, lambda data: data[:-7]), "not a complete safetensors file"),
    "weights of zeros": (lambda model: edit_shims(model, lambda data: bytes(99)), "not a complete safetensors file"),
    "random bytes": (lambda model: random.Random(0).randbytes(5000), "extra data"),
    "foreign msgpack": (lambda model: srsly.msgpack_dumps({"tagger": [1, 2]}), "incompatible"),
    "torch.save": (lambda model: edit_shims(model, to_pickle), "the data is a pickle.*safetensors only"),
    "old pickle": (lambda model: edit_shims(model, lambda data: b"\x80\x04K\x01."), "the data is a pickle"),
    "another cell": (
        lambda model: edit_shims(model, lambda data: build_encoder(cell="gru")),
        "those of another model: .*weight_hh_l0' has the shape .* but the model's is .*config they were trained with",
    ),
    "another width": (lambda model: b"", "Attempt to change dimension 'nO' .* from 16 to 32"),
}


def make_bad_model(kind: str, nlp: Language, wide_nlp: Language, name: str) -> bytes:
    """Give the content of a bad model file for a component."""
    if kind == "another width":
        return wide_nlp.get_pipe(name).model.to_bytes()
    return BAD_MODELS[kind][0](nlp.get_pipe(name).model.to_bytes())


def get_state(nlp: Language) -> tuple[str, Any]:
    """Give a digest of all bytes of a pipeline, which pytest can show where it differs, and what it predicts."""
    digest = sha256(nlp.to_bytes()).hexdigest()
    return digest, get_annotations(nlp.pipe(doc.text for doc in make_docs(nlp.vocab, seed=5)))


def check_bad_model(kind: str, name: str, nlp: Language, bad_model: bytes, path: Path) -> None:
    """Load a bad model of one component in every way, and check the errors and what is left of the pipeline."""
    before = get_state(nlp)
    nlp.to_disk(path)
    (path / name / "model").write_bytes(bad_model)
    pipe = nlp.get_pipe(name)
    pipe_bytes = srsly.msgpack_dumps(srsly.msgpack_loads(pipe.to_bytes()) | {"model": bad_model})
    nlp_bytes = srsly.msgpack_dumps(srsly.msgpack_loads(nlp.to_bytes()) | {name: pipe_bytes})
    loads: list[tuple[str, Callable[[], Any]]] = [
        (str(path / name), lambda: pipe.from_disk(path / name, exclude=["vocab"])),
        (str(path / name), lambda: nlp.from_disk(path)),
        ("bytes", lambda: pipe.from_bytes(pipe_bytes)),
        ("bytes", lambda: nlp.from_bytes(nlp_bytes)),
    ]
    for source, load in loads:
        message = rf"(?s)Can't load the component '{name}' from {re.escape(source)}: .*{BAD_MODELS[kind][1]}"
        with pytest.raises(ValueError, match=message) as info:
            load()
        assert "copy them again from their source" in str(info.value)
        assert get_state(nlp) == before


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_bad_model_changes_nothing(kind: str, nlp: Language, wide_nlp: Language, tmp_path: Path) -> None:
    """Loading one of our components from a bad model fails by name and with advice; the pipeline stays the same."""
    for name in FACTORIES:
        check_bad_model(kind, name, nlp, make_bad_model(kind, nlp, wide_nlp, name), tmp_path / name)


@pytest.mark.xfail(strict=True, reason="Language.from_disk loads one component after another, ours or not")
def test_bad_model_of_a_later_component_changes_nothing(nlp: Language, tmp_path: Path) -> None:
    """A pipeline whose last component fails to load keeps its first components, too."""
    other = make_nlp().from_bytes(nlp.to_bytes())
    update(other, other.resume_training())
    other.to_disk(tmp_path)
    (tmp_path / FACTORIES[-1] / "model").write_bytes(b"")
    before = get_state(nlp)
    with pytest.raises(ValueError, match="Can't load the component"):
        nlp.from_disk(tmp_path)
    assert get_state(nlp) == before


@pytest.mark.parametrize("kind", ["truncated weights", "torch.save", "old pickle"])
def test_bad_model_of_a_stock_component(kind: str, tmp_path: Path) -> None:
    """A stock component on our encoder gives our error for bad weights, too."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.initialize()
    nlp.to_disk(tmp_path)
    (tmp_path / "tok2vec" / "model").write_bytes(BAD_MODELS[kind][0](nlp.get_pipe("tok2vec").model.to_bytes()))
    with pytest.raises(ValueError, match=BAD_MODELS[kind][1]):
        spacy.load(tmp_path)


def test_good_weights_are_not_taken_for_a_pickle(nlp: Language) -> None:
    """Safetensors data whose header happens to have a length that begins like a pickle is loaded."""
    (shim,) = get_shims(nlp)[:1]
    data = shim.to_bytes()
    length = int.from_bytes(data[:8], "little")
    padding = (0x80 - length) % 0x100
    header = data[8 : 8 + length] + b" " * padding
    padded = len(header).to_bytes(8, "little") + header + data[8 + length :]
    assert padded.startswith(b"\x80")
    assert shim.from_bytes(padded).to_bytes() == data


def test_default_models_load(tmp_path: Path) -> None:
    """The default model of each of our factories is loaded from what it wrote."""
    nlp = spacy.blank("en")
    for name in FACTORIES:
        nlp.add_pipe(name)
    nlp.initialize(lambda: make_examples(nlp.vocab))
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).to_bytes() == nlp.to_bytes()
