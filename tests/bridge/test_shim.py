"""The shim mends five defects of thinc's own. Each test says what holds for ours, and that it does not for thinc's."""

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

from spacy_bilstm.bridge.shim import TorchShim
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder

ROWS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])


class Linear(nn.Linear):
    """A linear module that can be told to fail, for both shims."""

    fails = False

    def forward(self, rows: Tensor) -> Tensor:
        if self.fails:
            raise RuntimeError("out of memory")
        return super().forward(rows)


def ours() -> Shim:
    torch.manual_seed(0)
    return TorchShim(Linear(3, 2))


def thincs() -> Shim:
    torch.manual_seed(0)
    return PyTorchShim(Linear(3, 2))


def train_once(shim: Shim, optimizer: Any) -> None:
    if isinstance(shim, TorchShim):
        output, backprop = shim.begin_update([ROWS])
        backprop(torch.ones_like(output))
    else:
        rows = ROWS.clone().requires_grad_()
        output, backprop = shim.begin_update(ArgsKwargs((rows,), {}))
        backprop(ArgsKwargs(((output,),), {"grad_tensors": torch.ones_like(output)}))
    shim.finish_update(optimizer)


def predict(shim: Shim) -> Tensor:
    output = shim.predict(ROWS) if isinstance(shim, TorchShim) else shim.predict(ArgsKwargs((ROWS,), {}))
    assert isinstance(output, Tensor)
    return output


def weight_of(shim: Shim) -> Tensor:
    weight = shim._model.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def holds_for_ours_only(check: Callable[[Shim], bool]) -> None:
    assert check(ours())
    assert not check(thincs()), "thinc mended this defect: its shim may serve now"


def test_weights_keep_their_memory_through_an_update() -> None:
    """D2: cuDNN's flat buffer is lost when a parameter becomes a new tensor."""

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

    holds_for_ours_only(keeps_memory)


@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.1), Adam(0.01, L2=0.1)], ids=["Adam", "SGD", "AdamW"])
def test_an_update_is_the_optimizers(optimizer: Any) -> None:
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

    holds_for_ours_only(uses_averages)


def test_raw_weights_come_back_when_the_evaluation_raises() -> None:
    """D3: a context manager without try and finally keeps the averages."""

    def restores(shim: Shim) -> bool:
        raw = weight_of(shim).clone()
        name = "weight"
        key: Any = (shim.id, name) if isinstance(shim, TorchShim) else f"pytorch_{shim.id}_{name}"
        params = {key: numpy.ones((2, 3), dtype="float32")}
        if not isinstance(shim, TorchShim):  # It loads a whole state or none.
            params[f"pytorch_{shim.id}_bias"] = numpy.ones(2, dtype="float32")

        def evaluate() -> None:
            with shim.use_params(params):
                assert torch.equal(weight_of(shim), torch.ones(2, 3))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            evaluate()
        return torch.equal(weight_of(shim), raw)

    holds_for_ours_only(restores)


def test_copies_have_ids_and_optimizer_states_of_their_own() -> None:
    """D4: after `replace_listeners` two copies shared one state of Adam."""

    def is_independent(shim: Shim) -> bool:
        copied = shim.copy()
        optimizer = Adam(0.1)
        train_once(shim, optimizer)
        return (copied.id, "weight") not in optimizer.mom1 and not torch.equal(weight_of(shim), weight_of(copied))

    holds_for_ours_only(is_independent)


def test_collected_gradients_stay_and_their_weights_are_the_modules() -> None:
    """D5: `nlp.rehearse` collects weights and gradients first and applies the optimizer to them later."""

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
        wanted = before - 0.1 * ROWS.sum(0).expand(2, 3)
        return torch.allclose(weight_of(shim), wanted)

    holds_for_ours_only(applies_later)


def test_a_prediction_that_raises_changes_nothing_about_the_module() -> None:
    """D9: the stock shim leaves the module in evaluation mode."""

    def stays(shim: Shim) -> bool:
        shim._model.train()
        shim._model.fails = True
        with pytest.raises(RuntimeError):
            predict(shim)
        return bool(shim._model.training)

    holds_for_ours_only(stays)


def test_a_prediction_never_touches_the_modules_mode() -> None:
    """D9: a thread that predicts must not switch the module under another one's feet."""

    def never_switches(shim: Shim) -> bool:
        shim._model.eval()
        predict(shim)
        return not shim._model.training

    holds_for_ours_only(never_switches)


def test_predictions_in_threads_are_those_of_one_thread() -> None:
    shim = TorchShim(RecurrentEncoder(8, 16, depth=2, dropout=0.5, recurrent_dropout=0.5))
    batches = [(torch.randn(sum(lengths), 8), lengths) for lengths in ([5, 3], [1], [0, 7, 7], [30]) for _ in range(8)]
    wanted = [shim.predict(rows, lengths) for rows, lengths in batches]
    barrier = threading.Barrier(4)

    def predict_all(_: int) -> list[Tensor]:
        barrier.wait()
        return [shim.predict(rows, lengths) for rows, lengths in batches]

    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(predict_all, range(4)):
            assert all(torch.equal(first, other) for first, other in zip(wanted, results, strict=True))


def test_gradients_add_up_over_batches_until_the_update() -> None:
    twice, once = TorchShim(Linear(3, 2)), TorchShim(Linear(3, 2))
    once.from_bytes(twice.to_bytes())
    for rows in ROWS.split(1):
        output, backprop = twice.begin_update([rows])
        backprop(torch.ones_like(output))
    twice.finish_update(SGD(0.1))
    train_once(once, SGD(0.1))
    torch.testing.assert_close(weight_of(twice), weight_of(once))
    before = weight_of(twice).clone()
    twice.finish_update(SGD(0.1))
    assert torch.equal(weight_of(twice), before), "an update without a new gradient changes nothing"


def test_input_gradients_are_those_of_autograd() -> None:
    shim = TorchShim(Linear(3, 2))
    output, backprop = shim.begin_update([ROWS])
    (d_rows,) = backprop(torch.ones_like(output))
    assert torch.equal(d_rows, torch.ones(2, 2) @ weight_of(shim))
    assert not output.requires_grad


def test_deepcopy_and_pickle_keep_the_weights() -> None:
    shim = TorchShim(nn.LSTM(3, 2))
    for other in (copy.deepcopy(shim), pickle.loads(pickle.dumps(shim))):
        assert other.to_bytes() == shim.to_bytes()
        with torch.no_grad():
            other.module.weight_ih_l0.add_(1.0)
        assert other.to_bytes() != shim.to_bytes()


def test_an_unknown_device_type_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"device type 'tpu'. Use 'cpu' or 'gpu'"):
        TorchShim(Linear(3, 2)).to_device("tpu", 0)


def test_mixed_precision_is_of_no_effect_on_the_cpu() -> None:
    mixed, plain = TorchShim(Linear(3, 2), mixed_precision=True), TorchShim(Linear(3, 2))
    mixed.from_bytes(plain.to_bytes())
    if get_current_ops().device_type == "cpu":
        assert torch.equal(mixed.predict(ROWS), plain.predict(ROWS))
        for shim in (mixed, plain):
            train_once(shim, SGD(0.1))
        assert torch.equal(weight_of(mixed), weight_of(plain))
