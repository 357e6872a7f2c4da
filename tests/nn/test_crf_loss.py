"""The CRF's log partition and log likelihood: by enumeration, with their gradients."""

import gc
import math
import weakref

import pytest
import torch
from crf_enumeration import Enumeration, make_biluo_crf, make_mask, make_random_crf
from torch import Tensor
from torch.nn import functional

from spacy_bilstm.nn.biluo import biluo_constraints
from spacy_bilstm.nn.crf import LinearChainCRF, transitions
from spacy_bilstm.nn.crf import log_partition as log_partition_module
from spacy_bilstm.nn.crf.lattice import Lattice, PackedSteps, ScaledLattice
from spacy_bilstm.nn.crf.scores import Scores
from spacy_bilstm.nn.layout import PackedLayout


@pytest.fixture(params=["scaled", "biluo", "log"])
def messages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with messages as probabilities, with products for many labels, and in log space for extreme scores."""
    if request.param == "biluo":
        monkeypatch.setattr(transitions, "_MANY_TAGS", 0)
    if request.param == "log":
        monkeypatch.setattr(ScaledLattice, "is_safe", lambda self: False)
    return str(request.param)


def assert_close(actual: Tensor, expected: float | Tensor) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("lengths", [[2, 0, 1, 4, 3, 1], [4], [0, 3, 3, 1, 0]], ids=str)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biluo", [False, True])
def test_losses_are_those_of_an_enumeration(messages: str, biluo: bool, masked: bool, lengths: list[int]) -> None:
    generator = torch.Generator().manual_seed(len(lengths))
    crf = make_biluo_crf(1, generator) if biluo else make_random_crf(3, generator)
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), crf.n_tags, generator=generator, dtype=torch.float64) * 2
    mask = make_mask(emissions, generator) if masked else None
    gold_mask = make_mask(emissions, generator)
    log_partition = crf.log_partition(emissions, layout, mask)
    log_likelihood = crf.log_likelihood(emissions, layout, gold_mask, mask)
    ends = torch.tensor(lengths).cumsum(0).tolist()
    for rank, doc in enumerate(layout.order.tolist()):
        tokens = slice(ends[doc] - lengths[doc], ends[doc])
        allowed = torch.ones_like(gold_mask[tokens]) if mask is None else mask[tokens]
        total = Enumeration(crf, emissions[tokens], allowed).log_partition
        gold = Enumeration(crf, emissions[tokens], allowed & gold_mask[tokens]).log_partition
        assert_close(log_partition[rank], total)
        assert_close(log_likelihood[rank], gold - total)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_are_finite_differences(messages: str, masked: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    crf = make_biluo_crf(1, generator)
    layout = PackedLayout.from_lengths([3, 0, 1, 5, 3])
    emissions = torch.randn(12, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = make_mask(emissions.detach(), generator) if masked else None
    gold_mask = make_mask(emissions.detach(), generator)

    # gradcheck changes its inputs in place, so the module sees its parameters change.
    def log_partition(emissions: Tensor, *parameters: Tensor) -> Tensor:
        return crf.log_partition(emissions, layout, mask)

    def log_likelihood(emissions: Tensor, *parameters: Tensor) -> Tensor:
        return crf.log_likelihood(emissions, layout, gold_mask, mask)

    assert torch.autograd.gradcheck(log_partition, (emissions, *crf.parameters()))
    assert torch.autograd.gradcheck(log_likelihood, (emissions, *crf.parameters()))


def test_gradients_are_those_of_autograd_through_the_steps() -> None:
    generator = torch.Generator().manual_seed(2)
    crf = make_biluo_crf(2, generator)
    layout = PackedLayout.from_lengths([60])
    emissions = torch.randn(60, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    crf.log_partition(emissions, layout).sum().backward()
    actual = [emissions.grad, *(parameter.grad for parameter in crf.parameters())]
    message = crf.start_transitions.masked_fill(~crf.allowed_start_transitions, -math.inf) + emissions[0]
    transitions = crf.transitions.masked_fill(~crf.allowed_transitions, -1e30)
    for emission in emissions[1:]:
        message = torch.logsumexp(message.clamp(min=-1e30)[:, None] + transitions, 0) + emission
    total = torch.logsumexp(message + crf.end_transitions.masked_fill(~crf.allowed_end_transitions, -1e30), 0)
    for ours, theirs in zip(actual, torch.autograd.grad(total, (emissions, *crf.parameters())), strict=True):
        assert ours is not None
        assert_close(ours, theirs)


def test_forbidden_transitions_have_no_gradient_and_no_effect() -> None:
    generator = torch.Generator().manual_seed(3)
    crf = make_biluo_crf(2, generator).float()
    layout = PackedLayout.from_lengths([7, 3])
    emissions = torch.randn(10, 9, generator=generator)
    gold_mask = functional.one_hot(crf.viterbi(-emissions, layout)[0], 9).bool()
    before = crf.log_likelihood(emissions, layout, gold_mask)
    before.sum().backward()
    constraints = (crf.allowed_transitions, crf.allowed_start_transitions, crf.allowed_end_transitions)
    for parameter, allowed in zip(crf.parameters(), constraints, strict=True):
        assert parameter.grad is not None
        assert bool((parameter.grad[~allowed] == 0).all())
        assert bool((parameter.grad[allowed] != 0).any())
        with torch.no_grad():
            parameter[~allowed] = 1e30
    assert torch.equal(crf.log_likelihood(emissions, layout, gold_mask), before)


def test_only_annotated_documents_have_a_loss_and_a_gradient(messages: str) -> None:
    generator = torch.Generator().manual_seed(4)
    crf = make_biluo_crf(2, generator).float()
    layout = PackedLayout.from_lengths([5, 0, 8, 3])
    emissions = torch.randn(16, 9, generator=generator, requires_grad=True)
    mask = make_mask(emissions.detach(), generator)
    gold_mask = torch.ones(16, 9, dtype=torch.bool)
    gold_mask[5:13, 1:] = False  # only the document of 8 tokens
    log_likelihood = crf.log_likelihood(emissions, layout, gold_mask, mask)
    assert [value < 0 for value in log_likelihood.tolist()] == [doc == 2 for doc in layout.order.tolist()]
    log_likelihood.sum().backward()
    assert emissions.grad is not None
    assert bool((emissions.grad[:5] == 0).all())
    assert bool((emissions.grad[13:] == 0).all())
    assert bool((emissions.grad[5:13] != 0).any())


def test_without_any_annotation_loss_and_gradients_are_exactly_zero(messages: str) -> None:
    generator = torch.Generator().manual_seed(4)
    crf = make_biluo_crf(2, generator).float()
    emissions = torch.randn(16, 9, generator=generator, requires_grad=True)
    gold_mask = torch.ones(16, 9, dtype=torch.bool)
    log_likelihood = crf.log_likelihood(emissions, PackedLayout.from_lengths([5, 0, 8, 3]), gold_mask)
    assert log_likelihood.tolist() == [0, 0, 0]
    log_likelihood.sum().backward()
    for tensor in (emissions, *crf.parameters()):
        assert tensor.grad is not None
        assert bool((tensor.grad == 0).all())


def test_documents_of_one_token_need_no_transition(messages: str) -> None:
    crf = LinearChainCRF(torch.zeros(2, 2) > 0, torch.ones(2) > 0, torch.tensor([False, True]))
    layout = PackedLayout.from_lengths([1, 1])
    emissions = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    values = crf.log_partition(emissions, layout)
    values.sum().backward()
    assert values.tolist() == [2.0, 4.0]
    assert crf.transitions.grad is not None
    assert crf.transitions.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_empty_documents_have_no_loss(messages: str) -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths([0, 0])
    emissions = torch.zeros(0, 5, requires_grad=True)
    mask = torch.zeros(0, 5, dtype=torch.bool)
    for values in (crf.log_partition(emissions, layout), crf.log_likelihood(emissions, layout, mask)):
        assert values.shape == (0,)
        values.sum().backward()


def test_losses_of_long_documents_are_exact() -> None:
    generator = torch.Generator().manual_seed(6)
    n_tokens = 100_000
    crf = make_biluo_crf(1, generator).float()
    layout = PackedLayout.from_lengths([n_tokens, 3])
    emissions = (torch.randn(n_tokens + 3, 5, generator=generator) * 3).requires_grad_()
    gold_mask = torch.ones(n_tokens + 3, 5, dtype=torch.bool)
    gold_mask[:, 1:] = False
    log_likelihood = crf.log_likelihood(emissions, layout, gold_mask)
    (-log_likelihood).sum().backward()
    assert bool(torch.isfinite(log_likelihood).all())
    assert emissions.grad is not None
    assert bool(torch.isfinite(emissions.grad).all())
    # The gradient is the tags' probabilities minus those under gold: it sums to 0 if neither has drifted.
    torch.testing.assert_close(emissions.grad.sum(1), torch.zeros(n_tokens + 3), rtol=0, atol=1e-5)
    # Far from the ends, a token's gradient does not depend on the document's length.
    middle = emissions.detach()[50_000:50_200].requires_grad_()
    (-crf.log_likelihood(middle, PackedLayout.from_lengths([200]), gold_mask[:200])).sum().backward()
    assert middle.grad is not None
    torch.testing.assert_close(emissions.grad[50_080:50_120], middle.grad[80:120], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("magnitude", [1e2, 1e4])
def test_losses_of_huge_scores_are_finite(magnitude: float) -> None:
    generator = torch.Generator().manual_seed(7)
    crf = make_biluo_crf(2, generator, scale=magnitude).float()
    layout = PackedLayout.from_lengths([400, 2])
    emissions = (torch.randn(402, 9, generator=generator) * magnitude).requires_grad_()
    for sign in (1, -1):  # the best sequence, and one that the scores all but exclude
        tags, _ = crf.viterbi(sign * emissions, layout)
        log_likelihood = crf.log_likelihood(emissions, layout, functional.one_hot(tags, 9).bool())
        log_likelihood.sum().backward()
        assert bool(torch.isfinite(log_likelihood).all())
    for tensor in (emissions, *crf.parameters()):
        assert tensor.grad is not None
        assert bool(torch.isfinite(tensor.grad).all())


def test_the_lattice_is_freed_with_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    lattices = []
    run_forward = log_partition_module.run_forward

    def record(scores: Scores, steps: PackedSteps) -> Lattice:
        lattice = run_forward(scores, steps)
        lattices.append(weakref.ref(lattice))
        return lattice

    monkeypatch.setattr(log_partition_module, "run_forward", record)
    crf = LinearChainCRF(*biluo_constraints(1))
    gc.disable()
    try:
        values = crf.log_partition(torch.zeros(3, 5), PackedLayout.from_lengths([3]))
        assert lattices[0]() is not None
        del values
        assert lattices[0]() is None
    finally:
        gc.enable()
