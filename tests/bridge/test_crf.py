"""The CRF layer: its losses, gradients, paths and probabilities are those of the field, by enumeration of all paths."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Adam

from spacy_bilstm.architectures.crf import make_biluo_field
from spacy_bilstm.bridge.crf import (
    CRFLayer,
    CRFLoss,
    add_gradients,
    compute_loss,
    compute_rehearsal_loss,
    compute_span_probabilities,
    decode,
    decode_k_best,
    resize,
    with_crf,
)
from spacy_bilstm.nn.layout import PackedLayout

LENGTHS = [2, 0, 4, 1, 3]
N_ROWS = sum(LENGTHS)
N_TAGS = 5
PARAMETERS = ("transitions", "start", "end")
Arrays = list[numpy.ndarray]


def make_layer(seed: int, n_tags: int = N_TAGS) -> CRFLayer:
    """Give an initialised layer with random parameters."""
    layer = with_crf("crf", make_biluo_field, PackedLayout.from_lengths, n_tags)
    layer.initialize()
    rng = numpy.random.default_rng(seed)
    for name in PARAMETERS:
        layer.set_param(name, rng.normal(size=layer.get_param(name).shape).astype("f"))
    return layer


def make_emissions(seed: int, n_tags: int = N_TAGS, lengths: list[int] = LENGTHS) -> Arrays:
    """Give random emissions."""
    rng = numpy.random.default_rng(seed)
    return [rng.normal(scale=2, size=(length, n_tags)).astype("f") for length in lengths]


def make_masks(seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Give a mask of gold tags and one of possible tags that agree with some path."""
    rng = numpy.random.default_rng(seed)
    tags = decode(make_layer(seed), make_emissions(seed + 1))
    path = numpy.eye(N_TAGS, dtype=bool)[tags]
    return path | (rng.random((N_ROWS, N_TAGS)) < 0.4), path | (rng.random((N_ROWS, N_TAGS)) < 0.8)


def enumerate_paths(
    layer: CRFLayer, emissions: numpy.ndarray, mask: numpy.ndarray | None = None, temperature: float = 1.0
) -> dict[tuple[int, ...], float]:
    """Give the score of each valid path of a document by its tags."""
    transitions, start, end = (layer.get_param(name).astype("float64") / temperature for name in PARAMETERS)
    field = make_biluo_field(layer.get_dim("nO"))
    emissions = emissions.astype("float64") / temperature
    scores = {}
    for tags in itertools.product(range(len(start)), repeat=len(emissions)):
        pairs = list(itertools.pairwise(tags))
        valid = field.allowed_start[tags[0]] and field.allowed_end[tags[-1]]
        valid = valid and all(field.allowed_transitions[pair] for pair in pairs)
        valid = valid and (mask is None or mask[range(len(tags)), tags].all())
        if valid:
            score = start[tags[0]] + end[tags[-1]] + emissions[range(len(tags)), tags].sum()
            scores[tags] = score + sum(transitions[pair] for pair in pairs)
    return scores


def add_up(scores: dict[tuple[int, ...], float]) -> float:
    """Give the log partition of paths."""
    return float(numpy.logaddexp.reduce(list(scores.values()))) if scores else -numpy.inf


def split(rows: numpy.ndarray) -> Arrays:
    """Take the rows of documents apart."""
    return numpy.split(rows, numpy.cumsum(LENGTHS)[:-1])


def check_gradients(layer: CRFLayer, emissions: Arrays, compute: Callable[[Arrays], CRFLoss]) -> None:
    """Compare all gradients with finite differences."""
    loss = compute(emissions)
    arrays = [(emissions[i], loss.d_emissions[i]) for i in range(len(emissions))]
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


@pytest.mark.parametrize("seed", range(3))
def test_loss_is_by_enumeration(seed: int) -> None:
    """The loss is the sum over documents of the log partitions' difference, with and without a mask."""
    layer, emissions = make_layer(seed), make_emissions(seed)
    gold, allowed = make_masks(seed)
    for mask in (None, allowed):
        both = gold if mask is None else gold & mask
        masks = [None] * len(LENGTHS) if mask is None else split(mask)
        expected = sum(
            add_up(enumerate_paths(layer, rows, possible)) - add_up(enumerate_paths(layer, rows, known))
            for rows, possible, known in zip(emissions, masks, split(both), strict=True)
            if len(rows)
        )
        assert_allclose(compute_loss(layer, emissions, gold, mask).value, expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_gradients_of_loss(seed: int) -> None:
    """Gradients of emissions and parameters are those by finite differences."""
    layer, emissions = make_layer(seed), make_emissions(seed)
    gold, allowed = make_masks(seed)
    check_gradients(layer, emissions, lambda X: compute_loss(layer, X, gold, allowed))


@pytest.mark.parametrize("seed", range(2))
def test_excluded_sequences(seed: int) -> None:
    """An excluded sequence adds the log probability that it does not occur, given gold; an impossible one nothing."""
    layer, emissions = make_layer(seed), make_emissions(seed)
    gold, allowed = numpy.ones((N_ROWS, N_TAGS), dtype=bool), numpy.ones((N_ROWS, N_TAGS), dtype=bool)
    gold[2, 1:] = False
    allowed[9] = [True, False, True, True, True]
    # In the doc of rows 2 to 5: two rows; one row that gold excludes. In that of rows 7 to 9: two rows, one row.
    excluded = [(3, [1, 3]), (2, [4]), (7, [1, 3]), (9, [4])]
    sequences = [(row, numpy.array(tags)) for row, tags in excluded]
    expected = compute_loss(layer, emissions, gold, allowed).value
    for first_row, tags in (excluded[0], excluded[2], excluded[3]):
        doc, start = (2, 2) if first_row < 6 else (4, 7)
        paths = enumerate_paths(layer, emissions[doc], split(gold & allowed)[doc])
        place = slice(first_row - start, first_row - start + len(tags))
        without = {path: score for path, score in paths.items() if list(path[place]) != tags}
        assert len(without) < len(paths)
        expected += add_up(paths) - add_up(without)
    assert_allclose(compute_loss(layer, emissions, gold, allowed, sequences).value, expected, rtol=1e-6)
    check_gradients(layer, emissions, lambda X: compute_loss(layer, X, gold, allowed, sequences))


def test_nothing_known_costs_nothing() -> None:
    """Where gold leaves all tags open, the loss and all gradients are exactly zero."""
    layer, emissions = make_layer(0), make_emissions(0)
    loss = compute_loss(layer, emissions, numpy.ones((N_ROWS, N_TAGS), dtype=bool))
    assert loss.value == 0
    assert not any(gradient.any() for gradient in (*loss.d_emissions, *loss.d_parameters.values()))


def test_gradients_are_added_to_the_layer() -> None:
    """The layer's gradients are those of all losses since the last update, and an update changes its parameters."""
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


@pytest.mark.parametrize(("n_tags", "n_teacher"), [(5, 5), (9, 5)])
def test_rehearsal_loss(n_tags: int, n_teacher: int) -> None:
    """The loss is the divergence of distributions over paths of old tags; its gradients are right."""
    lengths = [2, 0, 3]
    layer, emissions = make_layer(0, n_tags), make_emissions(0, n_tags, lengths)
    teacher, old_emissions = make_layer(1, n_teacher), make_emissions(1, n_teacher, lengths)
    expected = 0.0
    for rows, old_rows in zip(emissions, old_emissions, strict=True):
        if len(rows):
            mask = numpy.arange(n_tags) < numpy.full((len(rows), 1), n_teacher)
            new, old = enumerate_paths(layer, rows, mask), enumerate_paths(teacher, old_rows)
            assert new.keys() == old.keys()
            log_ratios = {path: old[path] - add_up(old) - new[path] + add_up(new) for path in old}
            expected += sum(numpy.exp(old[path] - add_up(old)) * log_ratios[path] for path in old)
    loss = compute_rehearsal_loss(layer, emissions, teacher, old_emissions)
    assert expected > 0.1
    assert_allclose(loss.value, expected, rtol=1e-5)
    check_gradients(layer, emissions, lambda X: compute_rehearsal_loss(layer, X, teacher, old_emissions))


def test_rehearsal_of_the_same_model_costs_nothing() -> None:
    """The divergence from itself is zero, and so are its gradients."""
    layer, emissions = make_layer(0), make_emissions(0)
    loss = compute_rehearsal_loss(layer, emissions, layer, emissions)
    assert_allclose(loss.value, 0, atol=1e-10)
    for gradient in (*loss.d_emissions, *loss.d_parameters.values()):
        assert_allclose(gradient, 0, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("masked", [False, True])
def test_paths_are_by_enumeration(seed: int, masked: bool) -> None:
    """The best path and the k best ones with their probabilities, in the caller's order of documents."""
    layer, emissions = make_layer(seed), make_emissions(seed)
    mask = make_masks(seed)[1] if masked else None
    masks = [None] * len(LENGTHS) if mask is None else split(mask)
    k, temperature = 5, 2.5
    tags, probabilities = decode_k_best(layer, emissions, k, mask, temperature)
    assert_array_equal(tags[0], decode(layer, emissions, mask))
    assert tags.shape == (k, N_ROWS)
    by_doc = numpy.split(tags, numpy.cumsum(LENGTHS)[:-1], axis=1)
    for rows, possible, paths, values in zip(emissions, masks, by_doc, probabilities, strict=True):
        if not len(rows):
            assert values.tolist() == [1, 0, 0, 0, 0]
            continue
        scores = enumerate_paths(layer, rows, possible, temperature)
        best = sorted(scores, key=lambda path: -scores[path])[:k]
        assert [tuple(path) for path in paths[: len(best)].tolist()] == best
        assert_allclose(values[: len(best)], [numpy.exp(scores[path] - add_up(scores)) for path in best], rtol=1e-6)
        assert (paths[len(best) :] == -1).all()
        assert not values[len(best) :].any()


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_span_probabilities(temperature: float) -> None:
    """A span's probability is the share of paths in which exactly the span is an entity."""
    layer, emissions = make_layer(0), make_emissions(3)
    mask = make_masks(0)[1]
    starts, ends = numpy.array([0, 2, 3, 9]), numpy.array([1, 5, 5, 10])
    docs, tags = [0, 2, 2, 4], [(4,), (1, 2, 3), (1, 3), (4,)]
    firsts = numpy.cumsum([0, *LENGTHS])
    expected = []
    for doc, start, end, sequence in zip(docs, starts, ends, tags, strict=True):
        scores = enumerate_paths(layer, emissions[doc], split(mask)[doc], temperature)
        place = slice(start - firsts[doc], end - firsts[doc])
        within = {path: score for path, score in scores.items() if path[place] == sequence}
        expected.append(numpy.exp(add_up(within) - add_up(scores)))
    labels = numpy.zeros(4, dtype="int64")
    values = compute_span_probabilities(layer, emissions, starts, ends, labels, mask, temperature)
    assert values.dtype == numpy.float64
    assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_no_rows(lengths: list[int]) -> None:
    """Batches without documents or of empty ones give results of the right shapes."""
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


def test_no_labels() -> None:
    """With "O" as the only tag there is one path, and nothing to learn."""
    layer, emissions = make_layer(0, 1), make_emissions(0, 1)
    loss = compute_loss(layer, emissions, numpy.ones((N_ROWS, 1), dtype=bool))
    assert loss.value == 0
    assert not decode(layer, emissions).any()
    assert decode_k_best(layer, emissions, 2)[1].tolist() == [[1, 0]] * len(LENGTHS)


@pytest.mark.parametrize("sample", ["X", "Y"])
def test_number_of_tags_from_sample(sample: str) -> None:
    """An unknown number of tags is that of the sample, and all parameters start at zero."""
    layer = with_crf("crf", make_biluo_field, PackedLayout.from_lengths)
    assert layer.has_dim("nO") is None
    layer.initialize(**{sample: make_emissions(0)})
    assert layer.get_dim("nO") == N_TAGS
    assert [layer.get_param(name).shape for name in PARAMETERS] == [(N_TAGS, N_TAGS), (N_TAGS,), (N_TAGS,)]
    assert not any(layer.get_param(name).any() for name in PARAMETERS)


def test_forward_is_the_identity() -> None:
    """Emissions and their gradient pass through."""
    layer, emissions = make_layer(0), make_emissions(0)
    outputs, backprop = layer.begin_update(emissions)
    for given, returned in zip([*emissions] * 2, [*outputs, *backprop(emissions)], strict=True):
        assert_array_equal(returned, given)


def test_resize() -> None:
    """A resized layer is a new one with the old parameters first and zeros after them."""
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


def test_read_only_emissions() -> None:
    """Arrays that can't be written, as those of stored docs, are read."""
    emissions = make_emissions(0)
    for array in emissions:
        array.flags.writeable = False
    assert_array_equal(decode(make_layer(0), emissions), decode(make_layer(0), make_emissions(0)))


def test_gradients_where_torch_has_them_switched_off() -> None:
    """The loss has its gradients under `torch.no_grad`, too."""
    layer, emissions = make_layer(0), make_emissions(0)
    gold = make_masks(0)[0]
    with torch.no_grad():
        loss = compute_loss(layer, emissions, gold)
        assert_array_equal(loss.d_emissions[0], compute_loss(layer, emissions, gold).d_emissions[0])
    assert loss.d_emissions[0].any()


def test_impossible_gold_is_an_error() -> None:
    """A gold annotation that no path agrees with is an error."""
    gold = numpy.ones((N_ROWS, N_TAGS), dtype=bool)
    gold[0] = [False, False, True, False, False]
    with pytest.raises(ValueError, match="agrees with its gold annotation"):
        compute_loss(make_layer(0), make_emissions(0), gold)
