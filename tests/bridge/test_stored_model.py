"""Stored models that are damaged or hostile: each fault is named before anything is assigned."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import srsly
from spacy.tokens import Doc
from thinc.api import Model, chain, list2ragged, reduce_mean
from thinc.layers import HashEmbed, LayerNorm, Linear, Maxout, ParametricAttention, Relu, Softmax
from toy_embeddings import make_embedding, make_vocab, make_word_docs

from spacy_bilstm.architectures.crf import build_crf_tagger_v1
from spacy_bilstm.architectures.encoder import build_recurrent_encoder_v1
from spacy_bilstm.architectures.tok2vec import build_tok2vec_v1
from spacy_bilstm.bridge.model_state import ModelState
from spacy_bilstm.bridge.stored_model import check_stored_model

N_TAGS = 9
EMBED, ENCODE, LINEAR, CRF = "word_embed", "recurrent_encoder", "linear", "crf"
Message = dict[str, Any]
NAN = float("nan")


def make_model() -> Model:
    embed = make_embedding(include_static_vectors=True, char_encoder="cnn", identity_dropout=0.3)
    return build_crf_tagger_v1(build_tok2vec_v1(embed, build_recurrent_encoder_v1(8, nI=embed.get_dim("nO"))))


def make_docs() -> list[Doc]:
    return make_word_docs(make_vocab())


@pytest.fixture(scope="module")
def data() -> bytes:
    """The bytes of an initialised model."""
    model, docs = make_model(), make_docs()
    model.initialize(X=docs, Y=[numpy.zeros((len(doc), N_TAGS), dtype="f") for doc in docs])
    return model.to_bytes()


def find(message: Message, name: str) -> int:
    """Return the index of a layer."""
    return next(i for i, info in enumerate(message["nodes"]) if info["name"] == name)


def edit(part: str, name: str, key: Any, value: Any) -> Callable[[Message], None]:
    """Return a function that replaces a stored value of a layer. A function replaces the value by its result."""

    def apply(message: Message) -> None:
        stored = message[part][find(message, name)]
        stored[key] = value(stored[key]) if callable(value) else value

    return apply


def edit_info(name: str, field: str, key: str, value: Any) -> Callable[[Message], None]:
    def apply(message: Message) -> None:
        message["nodes"][find(message, name)][field][key] = value

    return apply


def attr(key: str, value: Any) -> Callable[[Message], None]:
    return edit("attrs", EMBED, key, srsly.msgpack_dumps(value))


def fill(value: float) -> Callable[[Any], Any]:
    return lambda array: numpy.full_like(array, value)


def edit_all(part: str, value: Any) -> Callable[[Message], None]:
    return lambda message: message.update({part: value})


FAULTS: dict[str, tuple[Callable[[Message], None], str]] = {
    "part": (lambda message: message.pop("attrs"), "incompatible version of thinc"),
    "part of another type": (edit_all("params", "x"), "its part 'params' is not a list of 7 entries"),
    "fewer layers": (lambda message: message["nodes"].pop(), "its part 'nodes' is not a list of 7 entries"),
    "name": (lambda message: message["nodes"][0].update(name=None), "its name is not stored as a string"),
    "layer that is none": (lambda message: message["nodes"].__setitem__(1, 3), "its name is not stored"),
    "shape of transitions": (
        edit("params", CRF, "transitions", numpy.zeros((5, 5), dtype="f")),
        r"in the layer 'crf', the parameter 'transitions' has the shape \(5, 5\), but must have \(9, 9\)",
    ),
    "transposed weights": (edit("params", LINEAR, "W", lambda W: W.T), r"'linear', the parameter 'W' has the shape"),
    "no axes": (edit("params", LINEAR, "b", numpy.float32(1.0)), r"'b' (has the shape \(\)|is of type float32)"),
    "double precision": (edit("params", CRF, "start", lambda x: x.astype("float64")), "'start' is of type float64"),
    "strings": (edit("params", CRF, "start", ["a"]), "'start' is of type <class 'list'>, not float32"),
    "no parameter": (edit("params", CRF, "end", None), "'crf', the parameter 'end' is missing"),
    "unknown parameter": (edit("params", CRF, "middle", None), "the field 'params' has the name 'middle'"),
    "no parameters": (edit_all("params", [3] * 7), "the field 'params' is not a dictionary"),
    "NaN": (edit("params", LINEAR, "W", fill(NAN)), "'W' has values that are NaN or infinite"),
    "infinity": (edit("params", CRF, "end", fill(-numpy.inf)), "'end' has values that are NaN or infinite"),
    "static vectors of another width": (
        edit("params", EMBED, "W", lambda W: W[:, :2].copy()),
        "'word_embed', the parameter 'W' has the shape",
    ),
    "number of tags": (
        edit_info(CRF, "dims", "nO", 5),
        "'crf', the (parameter 'transitions' has|dimension 'nO' is 5)",
    ),
    "huge number of tags": (
        edit_info(CRF, "dims", "nO", 10**9 + 1),
        r"must have \(10{8}1, 10{8}1\)|'nO' is 10{8}1",
    ),
    "dimension that is no number": (edit_info(LINEAR, "dims", "nI", "8"), "'nI' is '8', but must be a whole number"),
    "dimension of zero": (edit_info(LINEAR, "dims", "nO", 0), "'nO' is 0, but must be a whole number"),
    "another width": (edit_info(ENCODE, "dims", "nO", 10), "'nO' is 10, but the model's is 8"),
    "unknown dimension": (edit_info(CRF, "dims", "nX", 3), "'dims' has the name 'nX'"),
    "reference": (lambda message: message["nodes"][0]["refs"].update(crf=0), "the reference 'crf' is 0"),
    "reference out of range": (lambda message: message["nodes"][0]["refs"].update(crf=99), "'crf' is 99"),
    "no reference": (lambda message: message["nodes"][0]["refs"].update(crf=None), "'crf' is None"),
    "no shims": (edit_all("shims", [[]] * 7), "'word_embed', the weights of 1 torch modules must be stored"),
    "shim that is no bytes": (edit("shims", ENCODE, 0, "x"), "'recurrent_encoder', .* are of type str, not bytes"),
    "truncated shim": (edit("shims", ENCODE, 0, lambda data: data[:-9]), "'recurrent_encoder', .*not a complete"),
    "rows": (attr("rows", [0, 20, 30]), r"'word_embed', the attribute 'rows' is \[0, 20, 30\], but the model's is"),
    "exchanged rows": (attr("rows", [20, 60, 30]), "the attribute 'rows'"),
    "attrs": (attr("attrs", [1, 2, 3]), "the attribute 'attrs'"),
    "max_chars": (attr("max_chars", -3), "the attribute 'max_chars' is -3, but the model's is 32"),
    "char_rows": (attr("char_rows", None), "the attribute 'char_rows' is None"),
    "static_vectors": (attr("static_vectors", False), "the attribute 'static_vectors' is False"),
    "seen": (attr("seen", None), "the attribute 'seen' is not the filter"),
    "size of seen": (attr("seen", numpy.zeros(8, dtype="uint8")), "the attribute 'seen' is not the filter"),
    "type of seen": (attr("seen", numpy.zeros(2**17, dtype="float32")), "the attribute 'seen' is not the filter"),
    "identity_dropout": (attr("identity_dropout", -1.0), "'identity_dropout' is -1.0, but must be"),
    "no identity_dropout": (attr("identity_dropout", 0.0), "'identity_dropout' is 0.0, but the model's is 0.3"),
    "infinite identity_dropout": (attr("identity_dropout", numpy.inf), "'identity_dropout' is inf"),
    "familiarity": (attr("familiarity", [1]), "the attribute 'familiarity' can't be stored"),
    "dropout_rate": (attr("dropout_rate", 7.0), "'dropout_rate' is 7.0, but must be a rate from 0 to 1"),
    "dropout_rate NaN": (attr("dropout_rate", NAN), "the attribute 'dropout_rate' is nan"),
    "dropout_rate string": (attr("dropout_rate", "x"), "'dropout_rate' is of type str, not float"),
    "unknown attribute": (attr("surprise", 1), "the attribute 'surprise' is unknown"),
    "function": (edit("attrs", CRF, "make_crf", srsly.msgpack_dumps("x")), "'crf', the attribute 'make_crf' can't be"),
    "attribute that is no msgpack": (edit("attrs", EMBED, "rows", b"\xc1"), "the attribute 'rows' can't be read"),
    "no attributes": (edit_all("attrs", [None] * 7), "the attributes are not a dictionary"),
}


@pytest.mark.parametrize("is_initialized", [False, True], ids=["new", "initialised"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_an_error_that_names_its_layer_and_field(data: bytes, fault: str, is_initialized: bool) -> None:
    damage, message = FAULTS[fault]
    stored = srsly.msgpack_loads(data)
    damage(stored)
    model = make_model().from_bytes(data) if is_initialized else make_model()
    before = model.to_bytes()
    with pytest.raises(ValueError, match=f"(?s){message}"):
        check_stored_model(model, srsly.msgpack_dumps(stored))
    assert model.to_bytes() == before


def test_a_whole_model_is_accepted(data: bytes) -> None:
    assert check_stored_model(make_model(), data) == N_TAGS
    assert check_stored_model(make_model().from_bytes(data), data) == N_TAGS


def test_a_model_that_was_not_initialised_is_accepted() -> None:
    assert check_stored_model(make_model(), make_model().to_bytes()) is None


@pytest.mark.parametrize(
    ("make_layer", "name"),
    [
        (lambda: Linear(3, 4), "W"),
        (lambda: Softmax(3, 4), "b"),
        (lambda: Relu(3, 4), "W"),
        (lambda: Maxout(3, 4, nP=2), "b"),
        (lambda: LayerNorm(4), "G"),
        (lambda: HashEmbed(4, 10), "E"),
    ],
    ids=["Linear", "Softmax", "Relu", "Maxout", "LayerNorm", "HashEmbed"],
)
def test_the_shapes_of_thincs_layers_are_checked(make_layer: Callable[[], Model], name: str) -> None:
    stored = srsly.msgpack_loads(make_layer().initialize().to_bytes())
    assert check_stored_model(make_layer(), srsly.msgpack_dumps(stored)) in (3, 4, None)
    stored["params"][0][name] = numpy.zeros((7, 7, 7, 7), dtype="f")
    with pytest.raises(ValueError, match=f"parameter '{name}' has the shape"):
        check_stored_model(make_layer(), srsly.msgpack_dumps(stored))


def test_a_model_with_attention_is_accepted() -> None:
    model = chain(list2ragged(), ParametricAttention(4), reduce_mean(), Linear(2, 4)).initialize()
    other = chain(list2ragged(), ParametricAttention(4), reduce_mean(), Linear(2, 4))
    assert check_stored_model(other, model.to_bytes()) == 2


def test_a_state_is_restored_with_dimensions_that_are_not_set(data: bytes) -> None:
    model = make_model()
    before, state = model.to_bytes(), ModelState(model)
    model.from_bytes(data)
    assert model.has_dim("nO")
    state.restore()
    assert model.has_dim("nO") is None
    assert not model.get_ref("crf").has_param("transitions")
    assert model.to_bytes() == before


def test_attributes_of_thincs_layers_that_a_config_determines_are_checked() -> None:
    stored = HashEmbed(4, 10, column=1).initialize().to_bytes()
    with pytest.raises(ValueError, match="the attribute 'column' is 1, but the model's is 0"):
        check_stored_model(HashEmbed(4, 10, column=0), stored)


def test_a_hash_embedding_keeps_its_stored_seed() -> None:
    """Without a seed in its config, thinc takes the next number."""
    assert check_stored_model(HashEmbed(4, 10), HashEmbed(4, 10).initialize().to_bytes()) == 4


@pytest.mark.parametrize("seed", [None, -1, 2**32, 3.5])
def test_a_seed_of_a_hash_embedding_outside_its_range_is_refused(seed: object) -> None:
    stored = srsly.msgpack_loads(HashEmbed(4, 10).initialize().to_bytes())
    stored["attrs"][0]["seed"] = srsly.msgpack_dumps(seed)
    with pytest.raises(ValueError, match=f"the attribute 'seed' is {seed}, but must be a whole number"):
        check_stored_model(HashEmbed(4, 10), srsly.msgpack_dumps(stored))
