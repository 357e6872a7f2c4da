"""The CRF layer: its parameters, losses, gradients, decoding and probabilities, by enumeration of all tag sequences."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from crf_enumeration import Enumeration
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Adam

from spacy_bilstm.architectures.crf import make_biluo_crf
from spacy_bilstm.bridge.crf import (
    CRFLoss,
    Emissions,
    ExpectedCounts,
    add_gradients,
    compute_distillation_loss,
    compute_loss,
    compute_rehearsal_loss,
    compute_span_probabilities,
    compute_tag_pairs,
    decode,
    decode_k_best,
    find_probable_spans,
    resize,
    with_crf,
)
from spacy_bilstm.bridge.model_types import CRFLayer
from spacy_bilstm.nn.layout import PackedLayout

LENGTHS = [2, 0, 4, 1, 3]
N_TOKENS = sum(LENGTHS)
N_TAGS = 5
PARAMETERS = ("transitions", "start", "end")
Arrays = list[numpy.ndarray]


def make_layer(seed: int, n_tags: int = N_TAGS) -> CRFLayer:
    """Make an initialised layer with random parameters."""
    layer = with_crf("crf", make_biluo_crf, PackedLayout.from_lengths, n_tags)
    layer.initialize()
    rng = numpy.random.default_rng(seed)
    for name in PARAMETERS:
        layer.set_param(name, rng.normal(size=layer.get_param(name).shape).astype("f"))
    return layer


def make_emissions(seed: int, n_tags: int = N_TAGS, lengths: list[int] = LENGTHS) -> Emissions:
    """Make random emissions."""
    rng = numpy.random.default_rng(seed)
    return Emissions(rng.normal(scale=2, size=(sum(lengths), n_tags)).astype("f"), lengths)


def make_masks(seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Make a gold mask and a mask of allowed tags that agree with some tag sequence."""
    rng = numpy.random.default_rng(seed)
    tags = decode(make_layer(seed), make_emissions(seed + 1))
    best = numpy.eye(N_TAGS, dtype=bool)[tags]
    return best | (rng.random((N_TOKENS, N_TAGS)) < 0.4), best | (rng.random((N_TOKENS, N_TAGS)) < 0.8)


def enumerate_sequences(
    layer: CRFLayer, emissions: Emissions, mask: numpy.ndarray | None = None, temperature: float = 1.0
) -> dict[int, Enumeration]:
    """Enumerate the tag sequences of each document that is not empty."""
    crf = make_biluo_crf(layer.get_dim("nO")).double()
    names = zip(("transitions", "start_transitions", "end_transitions"), PARAMETERS, strict=True)
    for module_name, name in names:
        getattr(crf, module_name).data = torch.tensor(layer.get_param(name)).double() / temperature
    scores = torch.tensor(emissions.scores).double() / temperature
    allowed = torch.ones_like(scores, dtype=torch.bool) if mask is None else torch.tensor(mask)
    documents = zip(scores.split(emissions.lengths), allowed.split(emissions.lengths), strict=True)
    return {doc: Enumeration(crf, *of_doc) for doc, of_doc in enumerate(documents) if len(of_doc[0])}


def check_gradients(layer: CRFLayer, emissions: Emissions, compute: Callable[[Emissions], CRFLoss]) -> None:
    """Compare all gradients with finite differences."""
    loss = compute(emissions)
    assert [len(gradient) for gradient in loss.d_emissions] == emissions.lengths
    arrays = [(emissions.scores, numpy.concatenate(loss.d_emissions))]
    arrays += [(layer.get_param(name), loss.d_parameters[name]) for name in PARAMETERS]
    for weights, gradient in arrays:
        assert gradient.dtype == numpy.float32
        for index in numpy.ndindex(weights.shape):
            before, values = weights[index], []
            for step in (0.01, -0.01):
                weights[index] = before + step
                values.append((compute(emissions).value, float(weights[index])))
            weights[index] = before
            expected = (values[0][0] - values[1][0]) / (values[0][1] - values[1][1])
            assert_allclose(gradient[index], expected, atol=2e-3)


# Losses.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("masked", [False, True])
def test_the_loss_is_the_difference_of_log_partitions(seed: int, masked: bool) -> None:
    layer, emissions = make_layer(seed), make_emissions(seed)
    gold_mask, mask = make_masks(seed)
    allowed = mask if masked else numpy.ones_like(mask)
    everything = enumerate_sequences(layer, emissions, allowed)
    gold = enumerate_sequences(layer, emissions, gold_mask & allowed)
    expected = sum(everything[doc].log_partition - gold[doc].log_partition for doc in everything)
    assert_allclose(compute_loss(layer, emissions, gold_mask, mask if masked else None).value, expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_gradients_of_the_loss_are_finite_differences(seed: int) -> None:
    layer, emissions = make_layer(seed), make_emissions(seed)
    gold_mask, mask = make_masks(seed)
    check_gradients(layer, emissions, lambda X: compute_loss(layer, X, gold_mask, mask))


@pytest.mark.parametrize("seed", range(2))
def test_an_incorrect_sequence_adds_the_log_probability_that_it_does_not_occur(seed: int) -> None:
    """A sequence that the gold annotation excludes adds nothing."""
    layer, emissions = make_layer(seed), make_emissions(seed)
    gold_mask, mask = numpy.ones((N_TOKENS, N_TAGS), dtype=bool), numpy.ones((N_TOKENS, N_TAGS), dtype=bool)
    gold_mask[2, 1:] = False
    mask[9] = [True, False, True, True, True]
    # In the document of tokens 2 to 5: two tokens; one token that gold excludes. In that of 7 to 9: two tokens, one.
    incorrect = [(3, (1, 3)), (2, (4,)), (7, (1, 3)), (9, (4,))]
    sequences = [(first, numpy.array(tags)) for first, tags in incorrect]
    expected = compute_loss(layer, emissions, gold_mask, mask).value
    by_doc = enumerate_sequences(layer, emissions, gold_mask & mask)
    for first, tags in (incorrect[0], incorrect[2], incorrect[3]):
        doc, start = (2, 2) if first < 6 else (4, 7)
        probability = numpy.exp(by_doc[doc].log_probability(first - start, tags))
        assert 0 < probability < 1
        expected -= numpy.log(1 - probability)
    assert_allclose(compute_loss(layer, emissions, gold_mask, mask, sequences).value, expected, rtol=1e-6)
    check_gradients(layer, emissions, lambda X: compute_loss(layer, X, gold_mask, mask, sequences))


def test_missing_annotation_has_exactly_no_loss_and_no_gradient() -> None:
    layer, emissions = make_layer(0), make_emissions(0)
    loss = compute_loss(layer, emissions, numpy.ones((N_TOKENS, N_TAGS), dtype=bool))
    assert loss.value == 0
    assert not any(gradient.any() for gradient in (*loss.d_emissions, *loss.d_parameters.values()))


def test_gradients_are_added_to_the_layer() -> None:
    """The layer adds up the gradients of all losses since the last update, and an update changes its parameters."""
    layer, emissions = make_layer(0), make_emissions(0)
    loss = compute_loss(layer, emissions, make_masks(0)[0])
    assert not any(layer.has_grad(name) for name in PARAMETERS)
    add_gradients(layer, loss)
    add_gradients(layer, loss)
    before = {name: layer.get_param(name).copy() for name in PARAMETERS}
    for name in PARAMETERS:
        assert_allclose(layer.get_grad(name), 2 * loss.d_parameters[name], rtol=1e-6)
    layer.finish_update(Adam(0.01))
    assert all((layer.get_param(name) != before[name]).any() for name in PARAMETERS)


def draw_distributions(
    layer: CRFLayer, emissions: Emissions, mask: numpy.ndarray | None, weights: list[float], seed: int
) -> tuple[ExpectedCounts, dict[int, numpy.ndarray]]:
    """Draw a distribution over the allowed sequences of each document. Return its counts, and its probabilities."""
    rng = numpy.random.default_rng(seed)
    n_tags, n_tokens = layer.get_dim("nO"), len(emissions.scores)
    unary, pairs = numpy.zeros((n_tokens, n_tags)), numpy.zeros((n_tags, n_tags))
    start, end, by_doc = numpy.zeros(n_tags), numpy.zeros(n_tags), {}
    first = numpy.cumsum(emissions.lengths) - emissions.lengths
    for doc, sequences in enumerate_sequences(layer, emissions, mask).items():
        by_doc[doc] = rng.dirichlet(numpy.full(len(sequences.scores), 0.3))
        for sequence, probability in zip(sequences.sequences.tolist(), by_doc[doc] * weights[doc], strict=True):
            start[sequence[0]] += probability
            end[sequence[-1]] += probability
            for i, tag in enumerate(sequence):
                unary[first[doc] + i, tag] += probability
                if i:
                    pairs[sequence[i - 1], tag] += probability
    return ExpectedCounts(unary, pairs, start, end, numpy.array(weights)), by_doc


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    seed=st.integers(0, 999),
    masked=st.booleans(),
    data=st.data(),
)
def test_the_distillation_loss_is_the_cross_entropy_of_distributions_over_sequences(
    lengths: list[int], seed: int, masked: bool, data: st.DataObject
) -> None:
    """In double precision: the loss by enumeration, and each gradient by finite differences."""
    layer, emissions = make_layer(seed), make_emissions(seed, lengths=lengths)
    emissions = Emissions(emissions.scores.astype("float64"), lengths)
    mask = None
    if masked:
        best = numpy.eye(N_TAGS, dtype=bool)[decode(layer, emissions)]
        mask = best | (numpy.random.default_rng(seed).random(best.shape) < 0.6)
    weights = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=len(lengths), max_size=len(lengths)))
    expected, by_doc = draw_distributions(layer, emissions, mask, weights, seed)

    def enumerate_loss(scores: numpy.ndarray) -> float:
        sequences = enumerate_sequences(layer, Emissions(scores, lengths), mask)
        return sum(
            weights[doc] * float((by_doc[doc] * (of_doc.log_partition - of_doc.scores)).sum())
            for doc, of_doc in sequences.items()
        )

    loss = compute_distillation_loss(layer, emissions, expected, mask)
    assert_allclose(loss.value, enumerate_loss(emissions.scores), rtol=1e-9, atol=1e-9)
    gradients = numpy.concatenate(loss.d_emissions)
    for index in numpy.ndindex(gradients.shape):
        values = []
        for step in (1e-5, -1e-5):
            moved = emissions.scores.copy()
            moved[index] += step
            values.append(enumerate_loss(moved))
        assert_allclose(gradients[index], (values[0] - values[1]) / 2e-5, atol=1e-6)


def test_the_gradient_of_the_distillation_loss_is_the_difference_of_marginals() -> None:
    layer, emissions = make_layer(0), make_emissions(0)
    expected, _ = draw_distributions(layer, emissions, None, [1.0] * len(LENGTHS), 0)
    loss = compute_distillation_loss(layer, emissions, expected)
    by_doc = enumerate_sequences(layer, emissions)
    marginals = numpy.concatenate([of_doc.marginals(N_TAGS).exp().numpy() for of_doc in by_doc.values()])
    assert_allclose(numpy.concatenate(loss.d_emissions), marginals - expected.emissions, atol=1e-6)
    check_gradients(layer, emissions, lambda X: compute_distillation_loss(layer, X, expected))


def test_the_distillation_loss_of_one_sequence_is_its_negative_log_likelihood() -> None:
    layer, emissions = make_layer(0), make_emissions(1)
    tags = decode(layer, make_emissions(2))
    one_hot = numpy.eye(N_TAGS)[tags]
    pairs, first = numpy.zeros((N_TAGS, N_TAGS)), numpy.cumsum(LENGTHS) - LENGTHS
    for token in set(range(N_TOKENS)) - set(first.tolist()):
        pairs[tags[token - 1], tags[token]] += 1
    starts, ends = first[numpy.array(LENGTHS) > 0], numpy.cumsum(LENGTHS)[numpy.array(LENGTHS) > 0] - 1
    weights = numpy.ones(len(LENGTHS))
    expected = ExpectedCounts(one_hot, pairs, one_hot[starts].sum(0), one_hot[ends].sum(0), weights)
    loss = compute_distillation_loss(layer, emissions, expected)
    gold = compute_loss(layer, emissions, one_hot.astype(bool))
    assert_allclose(loss.value, gold.value, rtol=1e-9)
    for left, right in zip(loss.d_emissions, gold.d_emissions, strict=True):
        assert_allclose(left, right, atol=1e-6)


@pytest.mark.parametrize(("n_tags", "n_teacher"), [(5, 5), (9, 5)])
def test_the_rehearsal_loss_is_the_divergence_over_sequences_of_old_tags(n_tags: int, n_teacher: int) -> None:
    lengths = [2, 0, 3]
    layer, emissions = make_layer(0, n_tags), make_emissions(0, n_tags, lengths)
    teacher, teacher_emissions = make_layer(1, n_teacher), make_emissions(1, n_teacher, lengths)
    known = numpy.broadcast_to(numpy.arange(n_tags) < n_teacher, emissions.scores.shape).copy()
    new, old = enumerate_sequences(layer, emissions, known), enumerate_sequences(teacher, teacher_emissions)
    expected = 0.0
    for doc in old:
        assert_array_equal(new[doc].sequences, old[doc].sequences)
        old_log, new_log = (of_all[doc].scores - of_all[doc].log_partition for of_all in (old, new))
        expected += float((numpy.exp(old_log) * (old_log - new_log)).sum())
    loss = compute_rehearsal_loss(layer, emissions, teacher, teacher_emissions)
    assert expected > 0.1
    assert_allclose(loss.value, expected, rtol=1e-5)
    check_gradients(layer, emissions, lambda X: compute_rehearsal_loss(layer, X, teacher, teacher_emissions))


def test_rehearsal_of_the_same_model_has_no_loss() -> None:
    layer, emissions = make_layer(0), make_emissions(0)
    loss = compute_rehearsal_loss(layer, emissions, layer, emissions)
    assert_allclose(loss.value, 0, atol=1e-10)
    for gradient in (*loss.d_emissions, *loss.d_parameters.values()):
        assert_allclose(gradient, 0, atol=1e-10)


def test_the_loss_has_gradients_under_no_grad() -> None:
    layer, emissions = make_layer(0), make_emissions(0)
    gold_mask = make_masks(0)[0]
    with torch.no_grad():
        loss = compute_loss(layer, emissions, gold_mask)
        assert_array_equal(loss.d_emissions[0], compute_loss(layer, emissions, gold_mask).d_emissions[0])
    assert loss.d_emissions[0].any()


def test_gold_annotation_that_no_sequence_agrees_with_is_an_error() -> None:
    gold_mask = numpy.ones((N_TOKENS, N_TAGS), dtype=bool)
    gold_mask[0] = [False, False, True, False, False]
    with pytest.raises(ValueError, match="agrees with the gold annotation"):
        compute_loss(make_layer(0), make_emissions(0), gold_mask)


# Inference.


def test_pairs_of_tags_are_those_of_a_tempered_enumeration() -> None:
    layer, emissions = make_layer(0), make_emissions(1)
    pairs = compute_tag_pairs(layer, emissions, 0.0, temperature=2.0)
    by_doc = enumerate_sequences(layer, emissions, temperature=2.0)
    document = by_doc[2]  # Its tokens are 2 to 5.
    probabilities = numpy.exp(document.scores - document.log_partition)
    for token, before, tag, probability in zip(*(values.tolist() for values in pairs), strict=True):
        if 2 < token < 6:
            has_pair = (document.sequences[:, token - 3 : token - 1] == (before, tag)).all(1)
            assert_allclose(probability, probabilities[has_pair].sum(), rtol=1e-9)
    assert_allclose(numpy.bincount(pairs.tokens, pairs.probabilities), 1.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("masked", [False, True])
def test_the_best_sequences_and_their_probabilities_are_those_of_an_enumeration(seed: int, masked: bool) -> None:
    layer, emissions = make_layer(seed), make_emissions(seed)
    mask = make_masks(seed)[1] if masked else None
    k, temperature = 5, 2.5
    tags, probabilities = decode_k_best(layer, emissions, k, mask, temperature)
    assert tags.shape == (k, N_TOKENS)
    by_doc = numpy.split(tags, numpy.cumsum(LENGTHS)[:-1], axis=1)
    for doc, sequences in enumerate_sequences(layer, emissions, mask, temperature).items():
        best = sequences.rank()[:k]
        n_missing = k - len(best)
        found = [tuple(sequence) for sequence in by_doc[doc].tolist()]
        assert found == [sequence for sequence, _ in best] + [(-1,) * LENGTHS[doc]] * n_missing
        expected = [numpy.exp(score - sequences.log_partition) for _, score in best]
        assert_allclose(probabilities[doc], expected + [0.0] * n_missing, rtol=1e-6)


def test_an_empty_document_has_one_empty_sequence() -> None:
    _, probabilities = decode_k_best(make_layer(0), make_emissions(0), 5)
    assert probabilities[LENGTHS.index(0)].tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("masked", [False, True])
def test_the_decoded_sequence_is_the_best_one(masked: bool) -> None:
    layer, emissions = make_layer(0), make_emissions(0)
    mask = make_masks(0)[1] if masked else None
    assert_array_equal(decode(layer, emissions, mask), decode_k_best(layer, emissions, 1, mask)[0][0])


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_a_span_probability_is_the_share_of_sequences_with_the_span(temperature: float) -> None:
    layer, emissions = make_layer(0), make_emissions(3)
    mask = make_masks(0)[1]
    starts, ends = numpy.array([0, 2, 3, 9]), numpy.array([1, 5, 5, 10])
    by_doc = enumerate_sequences(layer, emissions, mask, temperature)
    places = [(0, 0, (4,)), (2, 0, (1, 2, 3)), (2, 1, (1, 3)), (4, 2, (4,))]
    expected = [numpy.exp(by_doc[doc].log_probability(start, tags)) for doc, start, tags in places]
    labels = numpy.zeros(4, dtype="int64")
    values = compute_span_probabilities(layer, emissions, starts, ends, labels, mask, temperature)
    assert values.dtype == numpy.float64
    assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_probable_spans_have_at_least_the_threshold(masked: bool) -> None:
    layer, emissions = make_layer(0), make_emissions(3)
    mask = make_masks(0)[1] if masked else None
    all_spans = find_probable_spans(layer, emissions, 1e-12, mask, 2.0)
    *spans, probabilities = find_probable_spans(layer, emissions, 0.2, mask, 2.0)
    assert 0 < len(probabilities) == (all_spans[3] >= 0.2).sum() < len(all_spans[3])
    assert_allclose(probabilities, compute_span_probabilities(layer, emissions, *spans, mask, 2.0), rtol=1e-6)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_a_batch_without_tokens_has_results_of_the_right_shapes(lengths: list[int]) -> None:
    layer, emissions = make_layer(0), make_emissions(0, lengths=lengths)
    loss = compute_loss(layer, emissions, numpy.zeros((0, N_TAGS), dtype=bool))
    assert loss.value == 0
    assert [gradient.shape for gradient in loss.d_emissions] == [(0, N_TAGS)] * len(lengths)
    assert decode(layer, emissions).shape == (0,)
    tags, probabilities = decode_k_best(layer, emissions, 2)
    assert tags.shape == (2, 0)
    assert probabilities.tolist() == [[1, 0]] * len(lengths)
    none = numpy.zeros(0, dtype="int64")
    assert compute_span_probabilities(layer, emissions, none, none, none).shape == (0,)
    assert [values.shape for values in find_probable_spans(layer, emissions, 0.5)] == [(0,)] * 4


def test_without_labels_there_is_one_sequence_and_no_loss() -> None:
    layer, emissions = make_layer(0, 1), make_emissions(0, 1)
    loss = compute_loss(layer, emissions, numpy.ones((N_TOKENS, 1), dtype=bool))
    assert loss.value == 0
    assert not decode(layer, emissions).any()
    assert decode_k_best(layer, emissions, 2)[1].tolist() == [[1, 0]] * len(LENGTHS)


def test_read_only_emissions_are_read() -> None:
    """Arrays of stored docs are read-only."""
    emissions = make_emissions(0)
    emissions.scores.flags.writeable = False
    assert_array_equal(decode(make_layer(0), emissions), decode(make_layer(0), make_emissions(0)))


def test_emissions_of_documents_are_concatenated() -> None:
    expected = make_emissions(0)
    documents = numpy.split(expected.scores, numpy.cumsum(LENGTHS)[:-1])
    scores, lengths = Emissions.concatenate(make_layer(0), documents)
    assert_array_equal(scores, expected.scores)
    assert lengths == LENGTHS
    scores, lengths = Emissions.concatenate(make_layer(0), [])
    assert scores.shape == (0, N_TAGS)
    assert lengths == []


# The layer.


@pytest.mark.parametrize("sample", ["X", "Y"])
def test_an_unknown_number_of_tags_is_that_of_the_sample(sample: str) -> None:
    layer = with_crf("crf", make_biluo_crf, PackedLayout.from_lengths)
    assert layer.has_dim("nO") is None
    layer.initialize(**{sample: [make_emissions(0).scores]})
    assert layer.get_dim("nO") == N_TAGS
    assert [layer.get_param(name).shape for name in PARAMETERS] == [(N_TAGS, N_TAGS), (N_TAGS,), (N_TAGS,)]


def test_parameters_start_at_zero() -> None:
    layer = with_crf("crf", make_biluo_crf, PackedLayout.from_lengths, N_TAGS)
    layer.initialize()
    assert not any(layer.get_param(name).any() for name in PARAMETERS)


def test_the_layer_passes_emissions_and_their_gradient_through() -> None:
    layer, documents = make_layer(0), [make_emissions(0).scores, make_emissions(1).scores]
    outputs, backprop = layer.begin_update(documents)
    for before, after in zip([*documents] * 2, [*outputs, *backprop(documents)], strict=True):
        assert_array_equal(after, before)


def test_a_resized_layer_is_a_new_one_with_the_old_parameters_first_and_zeros_after_them() -> None:
    layer = make_layer(0)
    larger = resize(layer, 9)
    assert larger.id != layer.id
    for name in PARAMETERS:
        weights: Any = larger.get_param(name)
        old = (slice(N_TAGS),) * weights.ndim
        assert_array_equal(weights[old], layer.get_param(name))
        weights = weights.copy()
        weights[old] = 0
        assert weights.shape[-1] == 9
        assert not weights.any()
