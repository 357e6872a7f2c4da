"""The torch module that embeds types: its parts against plain references, and types against tokens."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from spacy_bilstm.nn.embed import CharacterBiLSTM, CharacterCNN, HashEmbed, WordEmbedding

VECTOR_WIDTH = 5
ROWS = [11, 7]
N_CHARACTERS = 9

# Repeatable, as the gradient of a maximum jumps where two numbers are equal but for rounding.
REPEATABLE = settings(deadline=None, derandomize=True)


def make_embedding(char_encoder: str | None = None, static_vectors: bool = False, **arguments: Any) -> WordEmbedding:
    sizes = {"char_rows": 6, "char_embed_width": 3, "char_width": 4, "attr_width": 5}
    embedding = WordEmbedding(
        8, ROWS, char_encoder=char_encoder, static_vectors=static_vectors, **{**sizes, **arguments}
    ).double()
    # Away from zero, where a weight that is not used would not show.
    for parameter in (embedding.unknown_vector, embedding.replacement, embedding.mix.bias):
        if parameter is not None:
            nn.init.normal_(parameter)
    return embedding


def make_types(embedding: WordEmbedding, char_lengths: Sequence[int]) -> dict[str, Any]:
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
    """The same features for a choice of the types, which may name one several times."""
    taken = dict(types)
    for name in ("hashed_attrs", "vectors", "has_vector"):
        if name in types:
            taken[name] = types[name][chosen]
    if "chars" in types:
        words = types["chars"].split(types["char_lengths"])
        taken["chars"] = torch.cat([types["chars"][:0], *(words[i] for i in chosen)])
        taken["char_lengths"] = [types["char_lengths"][i] for i in chosen]
    return taken


lengths_of_words = st.lists(st.integers(0, 12), min_size=1, max_size=8)
parts = st.sampled_from([(None, False), ("cnn", False), ("bilstm", False), (None, True), ("cnn", True)])


def test_hash_embed_sums_rows() -> None:
    embed = HashEmbed(10, 3)
    hashed = torch.tensor([[0, 1, 2, 3], [9, 9, 0, 5]])
    torch.testing.assert_close(embed(hashed), embed.weight[hashed].sum(1))
    assert embed.weight.abs().max() <= 0.1


@settings(REPEATABLE, max_examples=30)
@given(lengths_of_words, st.integers(0, 2**20))
def test_character_cnn_is_a_convolution_of_each_padded_word(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    encoder = CharacterCNN(3, 4).double()
    nn.init.normal_(encoder.convolution.bias)
    embedded = torch.randn(N_CHARACTERS, 3, dtype=torch.double, requires_grad=True)
    chars = torch.randint(0, N_CHARACTERS, (sum(lengths),))
    expected = []
    for word in chars.split(lengths):
        vectors = embedded[word] if len(word) else torch.zeros(1, 3, dtype=torch.double)
        expected.append(encoder.convolution(F.pad(vectors, (0, 0, 1, 1)).T).amax(1))
    assert_same_with_gradients(encoder(embedded, chars, lengths), torch.stack(expected), embedded, encoder)


@settings(REPEATABLE, max_examples=30)
@given(lengths_of_words, st.integers(0, 2**20))
def test_character_bilstm_gives_the_last_states_of_each_word(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    encoder = CharacterBiLSTM(3, 4).double()
    embedded = torch.randn(N_CHARACTERS, 3, dtype=torch.double, requires_grad=True)
    chars = torch.randint(0, N_CHARACTERS, (sum(lengths),))
    lstm = encoder.layer.rnn
    expected = []
    for word in chars.split(lengths):
        states = lstm(embedded[word])[1][0].view(-1) if len(word) else torch.zeros(4, dtype=torch.double)
        expected.append(states)
    assert_same_with_gradients(encoder(embedded, chars, lengths), torch.stack(expected), embedded, encoder)


def get_gradients(output: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Gradients of a fixed function of the output; zeros for a weight that takes no part."""
    if not output.requires_grad:
        return [torch.zeros_like(weight) for weight in weights]
    d_output = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    gradients = torch.autograd.grad(output, weights, d_output, allow_unused=True)
    return [
        torch.zeros_like(weight) if gradient is None else gradient
        for weight, gradient in zip(weights, gradients, strict=True)
    ]


def assert_same_with_gradients(output: Tensor, expected: Tensor, embedded: Tensor, encoder: nn.Module) -> None:
    torch.testing.assert_close(output, expected)
    weights = [embedded, *encoder.parameters()]
    torch.testing.assert_close(get_gradients(output, weights), get_gradients(expected, weights))


@settings(REPEATABLE, max_examples=40)
@given(parts, lengths_of_words, st.data(), st.integers(0, 2**20))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-10), (torch.float, 1e-5)])
def test_types_equal_tokens(
    dtype: torch.dtype,
    tolerance: float,
    part: tuple[str | None, bool],
    char_lengths: list[int],
    data: st.DataObject,
    seed: int,
) -> None:
    """Forward and gradient, in training with both dropouts and at inference."""
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
    for dropout in (None, 0.0, 0.4):
        results = []
        for features, numbered in (
            (types, token_types),
            (take_types(types, token_types), torch.arange(len(token_types))),
        ):
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
@given(parts, lengths_of_words, st.data(), st.integers(0, 2**20))
def test_a_type_does_not_depend_on_the_others(
    part: tuple[str | None, bool], char_lengths: list[int], data: st.DataObject, seed: int
) -> None:
    torch.manual_seed(seed)
    embedding = make_embedding(*part)
    types = make_types(embedding, char_lengths)
    projection = torch.randn(8, VECTOR_WIDTH, dtype=torch.double)
    together = embedding.embed_types(projection, **types)
    chosen = data.draw(st.lists(st.integers(0, len(char_lengths) - 1), min_size=1, max_size=5))
    apart = embedding.embed_types(projection, **take_types(types, torch.tensor(chosen)))
    torch.testing.assert_close(apart, together[chosen], atol=1e-12, rtol=1e-12)


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


def test_hash_embed_means_of_rows_have_a_variance_of_one() -> None:
    torch.manual_seed(0)
    embed = HashEmbed(2000, 64, "mean")
    hashed = torch.randint(2000, (500, 4))
    torch.testing.assert_close(embed(hashed), embed.weight[hashed].mean(1))
    assert abs(embed(hashed).std().item() - 1.0) < 0.05


def test_one_piece_is_a_linear_map() -> None:
    embedding = make_embedding(maxout_pieces=1)
    assert embedding.mix.out_features == 8
    assert embedding.embed_types(**make_types(embedding, [1, 1])).shape == (2, 8)


def test_words_without_a_vector_have_the_learned_one() -> None:
    embedding = WordEmbedding(8, static_vectors=True)
    nn.init.normal_(embedding.unknown_vector)
    projection = torch.randn(8, VECTOR_WIDTH, requires_grad=True)
    vectors = torch.randn(3, VECTOR_WIDTH)
    has_vector = torch.tensor([True, False, False])
    rows = embedding.embed_types(projection, vectors=vectors, has_vector=has_vector)
    expected = embedding.norm(embedding.mix(embedding.unknown_vector).view(3, 8).amax(0))
    torch.testing.assert_close(rows[1], expected)
    torch.testing.assert_close(rows[2], expected)
    gradients = torch.autograd.grad(rows[0].square().sum(), [projection, embedding.unknown_vector])
    assert gradients[0].any()
    assert not gradients[1].any()


def test_word_dropout_replaces_tokens_in_training() -> None:
    embedding = make_embedding(word_dropout=0.25)
    types = make_types(embedding, [1])
    n_tokens = 4000
    arguments = {"token_types": torch.zeros(n_tokens, dtype=torch.int64), "lengths": [n_tokens], **types}
    torch.manual_seed(0)
    output = embedding(**arguments, output_dropout=0.0)
    replaced = (output == embedding.replacement).all(1)
    kept = (output == embedding.embed_types(**types)).all(1)
    assert torch.equal(replaced, ~kept)
    assert replaced.double().mean().item() == pytest.approx(0.25, abs=0.03)
    (gradient,) = torch.autograd.grad(output.sum(), [embedding.replacement])
    torch.testing.assert_close(gradient, replaced.sum().double().expand(8))
    assert torch.equal(embedding(**arguments), embedding.embed_types(**types).expand(n_tokens, -1))


def test_dropout_is_locked_in_a_document() -> None:
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


def test_no_tokens() -> None:
    embedding = make_embedding("cnn", True)
    output = embedding(token_types=torch.zeros(0, dtype=torch.int64), lengths=[0, 0], output_dropout=0.5)
    assert output.shape == (0, 8)


def test_words_without_characters_only() -> None:
    for encoder in (CharacterCNN(3, 4), CharacterBiLSTM(3, 4)):
        output = encoder(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), [0, 0])
        assert output.shape == (2, 4)
        assert not output.any()


@pytest.mark.parametrize("char_encoder", [None, "cnn", "bilstm"])
def test_weights_follow_the_seed(char_encoder: str | None) -> None:
    embedding = WordEmbedding(8, ROWS, char_encoder=char_encoder, static_vectors=True)
    for parameter in embedding.parameters():
        nn.init.constant_(parameter, 77.0)
    torch.manual_seed(1)
    embedding.reset_parameters()
    first = {name: weight.clone() for name, weight in embedding.state_dict().items()}
    assert all((weight != 77.0).all() for weight in first.values())
    torch.manual_seed(1)
    embedding.reset_parameters()
    assert all(torch.equal(weight, first[name]) for name, weight in embedding.state_dict().items())


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
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WordEmbedding(**{"width": 8, "rows": ROWS, **arguments})
