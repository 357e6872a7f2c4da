"""The embedding of word types: its layers against plain references, and types against tokens."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from spacy_bilstm.nn.word_embedding import WordEmbedding

VECTOR_WIDTH = 5
ROWS = [11, 7]
N_CHARACTERS = 9

# Derandomised, as the gradient of a maximum jumps where two numbers are equal up to rounding.
REPEATABLE = settings(deadline=None, derandomize=True)
LENGTHS_OF_WORDS = st.lists(st.integers(0, 12), min_size=1, max_size=8)
PARTS = st.sampled_from([(None, False), ("cnn", False), ("bilstm", False), (None, True), ("cnn", True)])
SEEDS = st.integers(0, 2**20)


def make_embedding(char_encoder: str | None = None, static_vectors: bool = False, **arguments: Any) -> WordEmbedding:
    """Return an embedding in double precision, without weights that are zero."""
    sizes = {"char_rows": 6, "char_embed_width": 3, "char_width": 4, "attr_width": 5}
    embedding = WordEmbedding(
        8, ROWS, char_encoder=char_encoder, static_vectors=static_vectors, **{**sizes, **arguments}
    ).double()
    for parameter in (embedding.unknown_vector, embedding.replacement, embedding.mix.bias):
        if parameter is not None:
            nn.init.normal_(parameter)
    return embedding


def make_types(embedding: WordEmbedding, char_lengths: Sequence[int]) -> dict[str, Any]:
    """Return random features of word types, as arguments of `embed_types`."""
    n_types = len(char_lengths)
    types: dict[str, Any] = {}
    if embedding.attributes is not None:
        types["hashed_attrs"] = torch.stack([torch.randint(0, rows, (n_types, 4)) for rows in ROWS], dim=1)
    if embedding.char_encoder is not None:
        types["hashed_chars"] = torch.randint(0, 6, (N_CHARACTERS, 4))
        types["chars"] = torch.randint(0, N_CHARACTERS, (sum(char_lengths),))
        types["char_lengths"] = list(char_lengths)
    if embedding.unknown_vector is not None:
        types["vectors"] = torch.randn(n_types, VECTOR_WIDTH, dtype=torch.double)
        types["has_vector"] = torch.rand(n_types) < 0.7
    return types


def take_types(types: dict[str, Any], chosen: Tensor) -> dict[str, Any]:
    """Return the features of a selection of types, which may hold a type several times."""
    taken = dict(types)
    for name in ("hashed_attrs", "vectors", "has_vector"):
        if name in types:
            taken[name] = types[name][chosen]
    if "chars" in types:
        words = types["chars"].split(types["char_lengths"])
        taken["chars"] = torch.cat([types["chars"][:0], *(words[i] for i in chosen)])
        taken["char_lengths"] = [types["char_lengths"][i] for i in chosen]
    return taken


def get_gradients(output: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Return the gradients of a fixed function of the output, zeros for weights that have none."""
    if not output.requires_grad:
        return [torch.zeros_like(weight) for weight in weights]
    d_output = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return list(torch.autograd.grad(output, weights, d_output, allow_unused=True, materialize_grads=True))


@settings(REPEATABLE, max_examples=40)
@given(PARTS, LENGTHS_OF_WORDS, st.data(), SEEDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-10), (torch.float, 1e-5)])
def test_computing_each_type_once_gives_the_output_and_gradients_of_computing_each_token(
    dtype: torch.dtype,
    tolerance: float,
    part: tuple[str | None, bool],
    char_lengths: list[int],
    data: st.DataObject,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    embedding = make_embedding(*part, word_dropout=0.3).to(dtype)
    types = make_types(embedding, char_lengths)
    if part[1]:
        types["vectors"] = types["vectors"].to(dtype)
    numbers = st.integers(0, len(char_lengths) - 1)
    docs = data.draw(st.lists(st.lists(numbers, max_size=6), min_size=1, max_size=4))
    token_types = torch.tensor([number for doc in docs for number in doc], dtype=torch.int64)
    projection = torch.randn(8, VECTOR_WIDTH, dtype=dtype, requires_grad=True)
    weights = [projection, *embedding.parameters()]
    tokens_as_types = (take_types(types, token_types), torch.arange(len(token_types)))
    for dropout in (None, 0.0, 0.4):
        results = []
        for features, numbered in ((types, token_types), tokens_as_types):
            torch.manual_seed(seed)
            output = embedding(
                projection,
                token_types=numbered,
                lengths=[len(doc) for doc in docs],
                output_dropout=dropout,
                **(features if len(token_types) else {}),
            )
            assert output.shape == (len(token_types), 8)
            results.append((output, get_gradients(output, weights)))
        (by_type, type_gradients), (by_token, token_gradients) = results
        torch.testing.assert_close(by_type, by_token, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(type_gradients, token_gradients, atol=tolerance * 10, rtol=tolerance * 10)


@settings(REPEATABLE, max_examples=40)
@given(PARTS, LENGTHS_OF_WORDS, st.data(), SEEDS)
def test_a_type_does_not_depend_on_other_types(
    part: tuple[str | None, bool], char_lengths: list[int], data: st.DataObject, seed: int
) -> None:
    torch.manual_seed(seed)
    embedding = make_embedding(*part)
    types = make_types(embedding, char_lengths)
    projection = torch.randn(8, VECTOR_WIDTH, dtype=torch.double)
    together = embedding.embed_types(projection, **types)
    chosen = data.draw(st.lists(st.integers(0, len(char_lengths) - 1), min_size=1, max_size=5))
    selected = embedding.embed_types(projection, **take_types(types, torch.tensor(chosen)))
    torch.testing.assert_close(selected, together[chosen], atol=1e-12, rtol=1e-12)


def test_mix_is_a_layer_normalised_maxout() -> None:
    embedding = make_embedding(maxout_pieces=3)
    hashed = make_types(embedding, [1] * 6)["hashed_attrs"]
    table, starts = embedding.attributes.weight, [0, ROWS[0]]
    vectors = torch.cat([table[hashed[:, i] + start].sum(1) for i, start in enumerate(starts)], dim=1)
    pieces = [
        vectors @ weight.T + bias
        for weight, bias in zip(embedding.mix.weight.chunk(3), embedding.mix.bias.chunk(3), strict=True)
    ]
    expected = F.layer_norm(torch.stack(pieces).amax(0), (8,), embedding.norm.weight, embedding.norm.bias)
    torch.testing.assert_close(embedding.embed_types(hashed_attrs=hashed), expected)


def test_one_maxout_piece_is_a_linear_map() -> None:
    embedding = make_embedding(maxout_pieces=1)
    assert embedding.mix.out_features == 8
    assert embedding.embed_types(**make_types(embedding, [1, 1])).shape == (2, 8)


def test_types_without_a_static_vector_share_the_learned_vector() -> None:
    embedding = WordEmbedding(8, static_vectors=True)
    nn.init.normal_(embedding.unknown_vector)
    projection, vectors = torch.randn(8, VECTOR_WIDTH), torch.randn(3, VECTOR_WIDTH)
    output = embedding.embed_types(projection, vectors=vectors, has_vector=torch.tensor([True, False, False]))
    expected = embedding.norm(embedding.mix(embedding.unknown_vector).view(3, 8).amax(0))
    torch.testing.assert_close(output[1], expected)
    torch.testing.assert_close(output[2], expected)


def test_a_type_with_a_static_vector_trains_the_projection_only() -> None:
    embedding = WordEmbedding(8, static_vectors=True)
    projection = torch.randn(8, VECTOR_WIDTH, requires_grad=True)
    output = embedding.embed_types(projection, vectors=torch.randn(1, VECTOR_WIDTH), has_vector=torch.tensor([True]))
    d_projection, d_unknown = torch.autograd.grad(output.square().sum(), [projection, embedding.unknown_vector])
    assert d_projection.any()
    assert not d_unknown.any()


N_TOKENS = 4000


def embed_with_word_dropout() -> tuple[WordEmbedding, dict[str, Any], Tensor, Tensor]:
    """Return an embedding, its arguments for many equal tokens, its output in training, and which tokens it dropped."""
    embedding = make_embedding(word_dropout=0.25)
    types = make_types(embedding, [1])
    arguments = {"token_types": torch.zeros(N_TOKENS, dtype=torch.int64), "lengths": [N_TOKENS], **types}
    torch.manual_seed(0)
    output = embedding(**arguments, output_dropout=0.0)
    return embedding, arguments, output, (output == embedding.replacement).all(1)


def test_word_dropout_replaces_some_tokens_in_training_and_keeps_the_others() -> None:
    embedding, arguments, output, replaced = embed_with_word_dropout()
    kept = (output == embedding.embed_types(hashed_attrs=arguments["hashed_attrs"])).all(1)
    assert torch.equal(replaced, ~kept)
    assert replaced.double().mean().item() == pytest.approx(0.25, abs=0.03)


def test_word_dropout_trains_the_replacement() -> None:
    embedding, _, output, replaced = embed_with_word_dropout()
    (gradient,) = torch.autograd.grad(output.sum(), [embedding.replacement])
    torch.testing.assert_close(gradient, replaced.sum().double().expand(8))


def test_word_dropout_does_not_apply_at_inference() -> None:
    embedding, arguments, _, _ = embed_with_word_dropout()
    expected = embedding.embed_types(hashed_attrs=arguments["hashed_attrs"]).expand(N_TOKENS, -1)
    assert torch.equal(embedding(**arguments), expected)


def test_output_dropout_is_locked_within_a_document() -> None:
    embedding = make_embedding()
    types = make_types(embedding, [1, 1])
    arguments = {"token_types": torch.tensor([0, 1] * 20), "lengths": [10, 0, 30], **types}
    torch.manual_seed(0)
    dropped = embedding(**arguments, output_dropout=0.5)
    ratio = dropped / embedding(**arguments)
    assert torch.allclose(ratio[:10], ratio[:1])
    assert torch.allclose(ratio[10:], ratio[10:11])
    assert not torch.allclose(ratio[0], ratio[10])
    assert set(ratio.round().unique().tolist()) == {0.0, 2.0}


def test_documents_without_tokens_have_an_empty_output() -> None:
    embedding = make_embedding("cnn", True)
    output = embedding(token_types=torch.zeros(0, dtype=torch.int64), lengths=[0, 0], output_dropout=0.5)
    assert output.shape == (0, 8)


def draw_weights(embedding: WordEmbedding) -> dict[str, Tensor]:
    """Initialise all weights from the same seed, and return a copy of them."""
    torch.manual_seed(1)
    embedding.reset_parameters()
    return {name: weight.clone() for name, weight in embedding.state_dict().items()}


@pytest.mark.parametrize("char_encoder", [None, "cnn", "bilstm"])
def test_initialisation_draws_every_weight(char_encoder: str | None) -> None:
    embedding = WordEmbedding(8, ROWS, char_encoder=char_encoder, static_vectors=True)
    for parameter in embedding.parameters():
        nn.init.constant_(parameter, 77.0)
    assert all((weight != 77.0).all() for weight in draw_weights(embedding).values())


@pytest.mark.parametrize("char_encoder", [None, "cnn", "bilstm"])
def test_the_same_seed_draws_the_same_weights(char_encoder: str | None) -> None:
    embedding = WordEmbedding(8, ROWS, char_encoder=char_encoder, static_vectors=True)
    first, second = draw_weights(embedding), draw_weights(embedding)
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width >= 1"),
        ({"rows": [5, 0]}, r"rows\[1\] >= 1"),
        ({"attr_width": 0}, "attr_width >= 1"),
        ({"maxout_pieces": 0}, "maxout_pieces >= 1"),
        ({"hash_pooling": "max"}, "Unknown hash_pooling 'max'. Use one of: sum, mean"),
        ({"char_encoder": "lstm"}, "Unknown char_encoder 'lstm'. Use one of: cnn, bilstm"),
        ({"char_encoder": "cnn", "char_rows": 0}, "char_rows >= 1"),
        ({"char_encoder": "cnn", "char_embed_width": 0}, "char_embed_width >= 1"),
        ({"char_encoder": "cnn", "char_width": 0}, "char_width >= 1"),
        ({"char_encoder": "bilstm", "char_width": 7}, "Use 6 or 8"),
        ({"rows": []}, "nothing to embed"),
        ({"word_dropout": 1.0}, "word_dropout is a rate"),
        ({"word_dropout": -0.1}, "word_dropout is a rate"),
    ],
)
def test_an_argument_out_of_range_is_an_error_that_names_it(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WordEmbedding(**{"width": 8, "rows": ROWS, **arguments})
