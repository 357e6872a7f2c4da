"""The CRF on a GPU: the same losses, gradients, tags and probabilities as on a CPU."""

from typing import Any

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import get_current_ops, require_cpu, require_gpu

from spacy_bilstm.architectures.crf import make_biluo_crf
from spacy_bilstm.bridge.crf import (
    Emissions,
    compute_loss,
    compute_rehearsal_loss,
    compute_span_probabilities,
    decode,
    decode_k_best,
    find_probable_spans,
    with_crf,
)
from spacy_bilstm.bridge.model_types import CRFLayer
from spacy_bilstm.nn.layout import PackedLayout

LENGTHS = [6, 0, 1, 9, 3]


def make_layer(n_tags: int, seed: int) -> CRFLayer:
    """Make a layer with random parameters on the current device."""
    layer = with_crf("crf", make_biluo_crf, PackedLayout.from_lengths, n_tags)
    layer.initialize()
    random = numpy.random.default_rng(seed)
    for name in ("transitions", "start", "end"):
        values = random.normal(size=layer.get_param(name).shape).astype("f")
        layer.set_param(name, layer.ops.asarray(values))
    return layer


def compute_everything(n_labels: int) -> dict[str, Any]:
    """Compute all results of the CRF for random emissions on the current device, as arrays on the CPU."""
    n_tags = 1 + 4 * n_labels
    layer, teacher = make_layer(n_tags, 0), make_layer(n_tags, 1)
    random = numpy.random.default_rng(2)
    scores = random.normal(scale=2, size=(sum(LENGTHS), n_tags)).astype("f")
    emissions = Emissions(get_current_ops().asarray2f(scores), LENGTHS)
    tags = decode(layer, emissions)
    gold = numpy.eye(n_tags, dtype=bool)[tags]
    allowed = gold | (random.random(gold.shape) < 0.8)
    starts, ends, labels, probabilities = find_probable_spans(layer, emissions, 0.2)
    results: dict[str, Any] = {"tags": tags, "allowed tags": decode(layer, emissions, allowed)}
    results["best sequences"], results["their probabilities"] = decode_k_best(layer, emissions, 3)
    results |= {"starts": starts, "ends": ends, "labels": labels, "span probabilities": probabilities}
    results["probabilities"] = compute_span_probabilities(layer, emissions, starts, ends, labels)
    losses = {
        "loss": compute_loss(layer, emissions, gold, allowed),
        "rehearsal": compute_rehearsal_loss(layer, emissions, teacher, emissions),
    }
    for name, loss in losses.items():
        results |= {name: loss.value, f"{name}: emissions": layer.ops.xp.concatenate(loss.d_emissions)}
        results |= {f"{name}: {parameter}": gradient for parameter, gradient in loss.d_parameters.items()}
    return {name: layer.ops.to_numpy(layer.ops.xp.asarray(value)) for name, value in results.items()}


@pytest.mark.parametrize("n_labels", [1, 4, 18])
def test_a_gpu_computes_what_a_cpu_computes(device: str, n_labels: int) -> None:
    require_cpu()
    expected = compute_everything(n_labels)
    if device == "gpu":
        require_gpu()
    computed = compute_everything(n_labels)
    assert computed.keys() == expected.keys()
    for name, value in computed.items():
        check = assert_array_equal if numpy.asarray(value).dtype.kind in "iub" else assert_allclose
        check(value, expected[name], **({} if check is assert_array_equal else {"rtol": 1e-4, "atol": 1e-4}))
