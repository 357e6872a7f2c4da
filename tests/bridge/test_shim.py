"""The shim. It fixes five defects of thinc's shim; their tests check that thinc's shim still has them."""

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
import pytest
import torch
from thinc.api import SGD, Adam, ArgsKwargs, PyTorchShim, get_current_ops
from thinc.shims.shim import Shim
from torch import Tensor, nn

from spacy_bilstm.bridge import shim as shim_file
from spacy_bilstm.bridge.shim import TorchShim
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder
from spacy_bilstm.training.optimizers import make_adam_v1

VECTORS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])


class Linear(nn.Linear):
    """A linear module that fails on demand, for both shims."""

    fails = False

    def forward(self, vectors: Tensor) -> Tensor:
        if self.fails:
            raise RuntimeError("out of memory")
        return super().forward(vectors)


def ours() -> Shim:
    torch.manual_seed(0)
    return TorchShim(Linear(3, 2))


def thincs() -> Shim:
    torch.manual_seed(0)
    return PyTorchShim(Linear(3, 2))


def train_once(shim: Shim, optimizer: Any) -> None:
    if isinstance(shim, TorchShim):
        output, backprop = shim.begin_update([VECTORS])
        backprop(torch.ones_like(output))
    else:
        vectors = VECTORS.clone().requires_grad_()
        output, backprop = shim.begin_update(ArgsKwargs((vectors,), {}))
        backprop(ArgsKwargs(((output,),), {"grad_tensors": torch.ones_like(output)}))
    shim.finish_update(optimizer)


def predict(shim: Shim) -> Tensor:
    output = shim.predict(VECTORS) if isinstance(shim, TorchShim) else shim.predict(ArgsKwargs((VECTORS,), {}))
    assert isinstance(output, Tensor)
    return output


def weight_of(shim: Shim) -> Tensor:
    weight = shim._model.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def check_ours_only(check: Callable[[Shim], bool]) -> None:
    assert check(ours())
    assert not check(thincs()), "thinc has fixed this defect, so its shim may be usable now"


def test_weights_keep_their_memory_through_an_update() -> None:
    """D2: if a parameter becomes a new tensor, cuDNN loses its flat buffer."""

    def keeps_memory(shim: Shim) -> bool:
        parameter = shim._model.weight
        flat = torch.zeros(parameter.numel() + 4)
        with torch.no_grad():
            parameter.data = flat[:-4].view_as(parameter).copy_(parameter)
        before = parameter.data_ptr()
        # An optimizer that does not work in place.
        train_once(shim, lambda key, weights, gradient: (weights - gradient, gradient))
        assert not torch.equal(flat[:-4], torch.zeros_like(flat[:-4]))
        return bool(shim._model.weight.data_ptr() == before)

    check_ours_only(keeps_memory)


@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.1), Adam(0.01, L2=0.1)], ids=["Adam", "SGD", "AdamW"])
def test_an_update_is_that_of_the_optimizer(optimizer: Any) -> None:
    shims = [ours(), thincs()]
    for shim in shims:
        shim.id = id(shim)
        for _ in range(3):
            train_once(shim, optimizer)
    assert torch.equal(weight_of(shims[0]), weight_of(shims[1]))


def test_averages_reach_the_weights() -> None:
    """D3: the optimizer's keys are tuples, not strings."""

    def uses_averages(shim: Shim) -> bool:
        optimizer = Adam(0.1, use_averages=True)
        for _ in range(3):
            train_once(shim, optimizer)
        raw = weight_of(shim).clone()
        assert optimizer.averages is not None
        average = torch.from_numpy(optimizer.averages[(shim.id, "weight")])
        with shim.use_params(optimizer.averages):
            inside = weight_of(shim).clone()
        assert torch.equal(weight_of(shim), raw)
        return torch.equal(inside, average)

    check_ours_only(uses_averages)


def test_raw_weights_are_restored_if_the_evaluation_raises() -> None:
    """D3: without try and finally a context manager keeps the averages."""

    def restores(shim: Shim) -> bool:
        raw = weight_of(shim).clone()
        name = "weight"
        key: Any = (shim.id, name) if isinstance(shim, TorchShim) else f"pytorch_{shim.id}_{name}"
        params = {key: numpy.ones((2, 3), dtype="float32")}
        if not isinstance(shim, TorchShim):  # It loads a complete state only.
            params[f"pytorch_{shim.id}_bias"] = numpy.ones(2, dtype="float32")

        def evaluate() -> None:
            with shim.use_params(params):
                assert torch.equal(weight_of(shim), torch.ones(2, 3))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            evaluate()
        return torch.equal(weight_of(shim), raw)

    check_ours_only(restores)


def test_a_copy_has_its_own_id_and_optimizer_state() -> None:
    """D4: otherwise two copies share one state of Adam after `replace_listeners`."""

    def is_independent(shim: Shim) -> bool:
        copied = shim.copy()
        optimizer = Adam(0.1)
        train_once(shim, optimizer)
        return (copied.id, "weight") not in optimizer.mom1 and not torch.equal(weight_of(shim), weight_of(copied))

    check_ours_only(is_independent)


def test_collected_gradients_can_be_applied_later() -> None:
    """D5: `nlp.rehearse` collects weights and gradients, and calls the optimizer with them later."""

    def applies_later(shim: Shim) -> bool:
        collected = {}

        def collect(key: Any, weights: Any, gradient: Any) -> tuple[Any, Any]:
            collected[key] = (weights, gradient)
            return weights, gradient

        before = weight_of(shim).clone()
        train_once(shim, collect)
        optimizer = SGD(0.1, grad_clip=0.0)
        for key, (weights, gradient) in collected.items():
            optimizer(key, weights, gradient)
        expected = before - 0.1 * VECTORS.sum(0).expand(2, 3)
        return torch.allclose(weight_of(shim), expected)

    check_ours_only(applies_later)


def test_a_prediction_that_raises_does_not_change_the_mode_of_the_module() -> None:
    """D9: thinc's shim leaves the module in evaluation mode."""

    def stays(shim: Shim) -> bool:
        shim._model.train()
        shim._model.fails = True
        with pytest.raises(RuntimeError):
            predict(shim)
        return bool(shim._model.training)

    check_ours_only(stays)


def test_a_prediction_does_not_change_the_mode_of_the_module() -> None:
    """D9: another thread may use the module at the same time."""

    def never_switches(shim: Shim) -> bool:
        shim._model.eval()
        predict(shim)
        return not shim._model.training

    check_ours_only(never_switches)


def test_predictions_in_several_threads_equal_those_in_one() -> None:
    shim = TorchShim(RecurrentEncoder(8, 16, depth=2, dropout=0.5, recurrent_dropout=0.5))
    batches = [(torch.randn(sum(lengths), 8), lengths) for lengths in ([5, 3], [1], [0, 7, 7], [30]) for _ in range(8)]
    expected = [shim.predict(vectors, lengths) for vectors, lengths in batches]
    barrier = threading.Barrier(4)

    def predict_all(_: int) -> list[Tensor]:
        barrier.wait()
        return [shim.predict(vectors, lengths) for vectors, lengths in batches]

    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(predict_all, range(4)):
            assert all(torch.equal(first, other) for first, other in zip(expected, results, strict=True))


def test_gradients_add_up_over_batches_until_the_update() -> None:
    twice, once = TorchShim(Linear(3, 2)), TorchShim(Linear(3, 2))
    once.from_bytes(twice.to_bytes())
    for vectors in VECTORS.split(1):
        output, backprop = twice.begin_update([vectors])
        backprop(torch.ones_like(output))
    twice.finish_update(SGD(0.1))
    train_once(once, SGD(0.1))
    torch.testing.assert_close(weight_of(twice), weight_of(once))


def test_an_update_without_a_new_gradient_changes_nothing() -> None:
    shim = ours()
    train_once(shim, SGD(0.1))
    before = weight_of(shim).clone()
    shim.finish_update(SGD(0.1))
    assert torch.equal(weight_of(shim), before)


def test_input_gradients_are_those_of_autograd() -> None:
    shim = TorchShim(Linear(3, 2))
    output, backprop = shim.begin_update([VECTORS])
    (d_vectors,) = backprop(torch.ones_like(output))
    assert torch.equal(d_vectors, torch.ones(2, 2) @ weight_of(shim))
    assert not output.requires_grad


@pytest.mark.parametrize(
    "make_copy", [copy.deepcopy, lambda shim: pickle.loads(pickle.dumps(shim))], ids=["deepcopy", "pickle"]
)
def test_a_copy_is_equal_and_independent(make_copy: Callable[[TorchShim], TorchShim]) -> None:
    shim = TorchShim(nn.LSTM(3, 2))
    copied = make_copy(shim)
    assert copied.to_bytes() == shim.to_bytes()
    with torch.no_grad():
        copied.module.weight_ih_l0.add_(1.0)
    assert copied.to_bytes() != shim.to_bytes()


def test_the_version_of_the_weights_increases_with_every_change() -> None:
    shim = ours()
    versions = [shim.weights_version]
    train_once(shim, SGD(0.1))
    versions.append(shim.weights_version)
    with shim.use_params({(shim.id, "weight"): numpy.ones((2, 3), dtype="float32")}):
        versions.append(shim.weights_version)
    versions.append(shim.weights_version)
    assert versions == sorted(set(versions))


def test_an_unknown_device_type_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"device type 'tpu'. Use 'cpu' or 'gpu'"):
        TorchShim(Linear(3, 2)).to_device("tpu", 0)


@pytest.mark.skipif(get_current_ops().device_type != "cpu", reason="is about the CPU")
def test_mixed_precision_has_no_effect_on_cpu() -> None:
    mixed, plain = TorchShim(Linear(3, 2), mixed_precision=True), TorchShim(Linear(3, 2))
    mixed.from_bytes(plain.to_bytes())
    assert torch.equal(mixed.predict(VECTORS), plain.predict(VECTORS))
    for shim in (mixed, plain):
        train_once(shim, SGD(0.1))
    assert torch.equal(weight_of(mixed), weight_of(plain))


# Apple's MPS, where torch and thinc share no memory


@pytest.fixture
def _no_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bridge from torch to thinc copy."""
    to_array = shim_file.torch2xp
    monkeypatch.setattr(shim_file, "torch2xp", lambda tensor: to_array(tensor.clone()))


def train_collected(steps: int = 3) -> Shim:
    """Train with an optimizer that updates weights when the step ends."""
    shim, optimizer = ours(), make_adam_v1(0.1, max_norm=0.5)
    for _ in range(steps):
        train_once(shim, optimizer)
        optimizer.step_schedules()
    return shim


@pytest.fixture(scope="module")
def trained_weights() -> bytes:
    """The weights after training with shared memory."""
    return train_collected().to_bytes()


@pytest.mark.usefixtures("_no_shared_memory")
@pytest.mark.parametrize(
    "read",
    [
        lambda shim: shim.to_bytes(),
        lambda shim: shim.copy().to_bytes(),
        lambda shim: predict(shim),
        lambda shim: shim.begin_update([VECTORS])[0],
        lambda shim: shim.module.weight.detach().clone(),
    ],
    ids=["to_bytes", "copy", "predict", "begin_update", "module"],
)
def test_late_updates_reach_the_weights_without_shared_memory(
    trained_weights: bytes, read: Callable[[Shim], Any]
) -> None:
    expected = read(ours().from_bytes(trained_weights))
    result = read(train_collected())
    assert torch.equal(result, expected) if isinstance(result, Tensor) else result == expected


@pytest.mark.usefixtures("_no_shared_memory")
def test_averages_of_late_updates_are_used_without_shared_memory() -> None:
    shim, optimizer = ours(), make_adam_v1(0.1)
    for _ in range(3):
        train_once(shim, optimizer)
        optimizer.step_schedules()
    assert optimizer.averages is not None
    raw = weight_of(train_collected(0)).clone()
    with shim.use_params(optimizer.averages):
        assert torch.equal(weight_of(shim), torch.from_numpy(optimizer.averages[(shim.id, "weight")]))
    assert not torch.equal(weight_of(shim), raw)


@pytest.mark.usefixtures("_no_shared_memory")
def test_weights_loaded_after_training_stay_without_shared_memory(trained_weights: bytes) -> None:
    shim, optimizer = ours(), make_adam_v1(0.1)
    train_once(shim, optimizer)
    shim.from_bytes(trained_weights)
    optimizer.step_schedules()
    assert shim.to_bytes() == trained_weights


@pytest.mark.usefixtures("_no_shared_memory")
def test_the_version_of_the_weights_increases_with_a_late_update() -> None:
    shim, optimizer = ours(), make_adam_v1(0.1)
    train_once(shim, optimizer)
    version = shim.weights_version
    optimizer.step_schedules()
    assert shim.module is not None
    assert shim.weights_version > version


@pytest.mark.usefixtures("_no_shared_memory")
def test_rehearsal_trains_without_shared_memory() -> None:
    """`nlp.rehearse` collects weights and gradients, and calls the optimizer with them later."""
    collected = {}

    def collect(key: Any, weights: Any, gradient: Any) -> tuple[Any, Any]:
        collected[key] = (weights, gradient)
        return weights, gradient

    shim = ours()
    before = weight_of(shim).clone()
    train_once(shim, collect)
    for key, (weights, gradient) in collected.items():
        SGD(0.1, grad_clip=0.0)(key, weights, gradient)
    assert torch.allclose(shim.module.weight, before - 0.1 * VECTORS.sum(0).expand(2, 3))
