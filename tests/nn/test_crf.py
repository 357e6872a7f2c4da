"""Room nn: the CRF against brute force over all tag sequences, and what it promises beside that."""

from __future__ import annotations

import gc
import itertools
import math
import pickle
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from spacy_bilstm.nn import crf as crf_module
from spacy_bilstm.nn.biluo import biluo_constraints, biluo_tag
from spacy_bilstm.nn.crf import LinearChainCRF
from spacy_bilstm.nn.lattice import Lattice, Rows, ScaledLattice, Scores
from spacy_bilstm.nn.layout import PackedLayout

Path = tuple[int, ...]


@pytest.fixture(params=["scaled", "log"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test on the fast messages and again on those in log space, which stand in for extreme scores."""
    if request.param == "log":
        monkeypatch.setattr(ScaledLattice, "is_safe", lambda self: False)
    return str(request.param)


def random_crf(n_tags: int, generator: torch.Generator, scale: float = 1.0, biluo: bool = False) -> LinearChainCRF:
    if biluo:
        crf = LinearChainCRF(*biluo_constraints((n_tags - 1) // 4))
    else:
        masks: Tensor = torch.rand(n_tags + 2, n_tags, generator=generator).lt(0.8)
        masks[:, 0] = True  # tag 0 may follow all, start and end: the path of zeros is always there
        crf = LinearChainCRF(masks[:-2], masks[-2], masks[-1])
    crf.double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale)
    return crf


def path_score(crf: LinearChainCRF, emissions: Tensor, path: Path, allowed: Tensor) -> float:
    """The score by its definition, -inf for what is forbidden anywhere."""
    checks = [crf.allowed_start[path[0]], crf.allowed_end[path[-1]]]
    checks += [allowed[row, tag] for row, tag in enumerate(path)]
    checks += [crf.allowed_transitions[i, j] for i, j in itertools.pairwise(path)]
    if not all(checks):
        return -math.inf
    score = crf.start[path[0]] + crf.end[path[-1]]
    score = score + sum(emissions[row, tag] for row, tag in enumerate(path))
    return float((score + sum(crf.transitions[i, j] for i, j in itertools.pairwise(path))).detach())


def all_paths(crf: LinearChainCRF, emissions: Tensor, allowed: Tensor) -> dict[Path, float]:
    """Scores of the allowed paths of one document."""
    paths = itertools.product(range(crf.n_tags), repeat=len(emissions))
    scores = {path: path_score(crf, emissions, path, allowed) for path in paths}
    return {path: score for path, score in scores.items() if score > -math.inf}


def log_sum(scores: list[float]) -> float:
    return float(torch.logsumexp(torch.tensor(scores, dtype=torch.float64), 0)) if scores else -math.inf


def close(actual: Tensor, expected: float | list[float] | Tensor) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=1e-9, atol=1e-9)


def random_mask(emissions: Tensor, generator: torch.Generator) -> Tensor:
    """A mask that always leaves the path of zeros."""
    allowed = torch.rand(emissions.shape, generator=generator) < 0.7
    allowed[:, 0] = True
    return allowed


@pytest.mark.parametrize("biluo", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_everything_against_brute_force(engine: str, biluo: bool, masked: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    n_tags = 5 if biluo else 3
    lengths = [[2, 0, 1, 4, 3, 1], [4], [0, 3, 3, 1, 0]][seed]
    crf = random_crf(n_tags, generator, biluo=biluo)
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), n_tags, generator=generator, dtype=torch.float64) * 2
    allowed = random_mask(emissions, generator) if masked else None
    everything = torch.ones_like(emissions, dtype=torch.bool) if allowed is None else allowed
    gold = random_mask(emissions, generator)
    k = 6

    log_partition = crf.log_partition(emissions, layout, allowed)
    loss = crf.negative_log_likelihood(emissions, layout, gold, allowed)
    tags, best_scores = crf.viterbi(emissions, layout, allowed)
    k_tags, k_scores = crf.k_best(emissions, layout, k, allowed)
    marginals, same_log_partition = crf.marginals(emissions, layout, allowed)
    close(same_log_partition, log_partition.detach())
    assert tags.shape == (len(emissions),)
    assert k_tags.shape == (k, len(emissions))

    ends = torch.tensor(lengths).cumsum(0).tolist()
    for rank, doc in enumerate(layout.order.tolist()):
        rows = slice(ends[doc] - lengths[doc], ends[doc])
        scores = all_paths(crf, emissions[rows], everything[rows])
        total = log_sum(list(scores.values()))
        close(log_partition[rank], total)
        gold_paths = all_paths(crf, emissions[rows], everything[rows] & gold[rows])
        close(loss[rank], total - log_sum(list(gold_paths.values())))
        ranking = sorted(scores, key=lambda path: -scores[path])
        assert tuple(tags[rows].tolist()) == ranking[0]
        close(best_scores[rank], scores[ranking[0]])
        found = [tuple(path) for path in k_tags[:, rows].tolist()]
        expected = ranking[:k] + [(-1,) * lengths[doc]] * (k - len(ranking))
        assert found == expected
        close(k_scores[rank], [scores[path] for path in ranking[:k]] + [-math.inf] * (k - len(ranking)))
        for row in range(lengths[doc]):
            by_tag = [log_sum([s for path, s in scores.items() if path[row] == tag]) for tag in range(n_tags)]
            close(marginals[rows][row], torch.tensor(by_tag, dtype=torch.float64) - total)


@pytest.mark.parametrize("lengths", [[1, 0, 3, 4, 2], [0, 4]])
@pytest.mark.parametrize("masked", [False, True])
def test_span_probabilities_against_brute_force(engine: str, masked: bool, lengths: list[int]) -> None:
    generator = torch.Generator().manual_seed(5)
    crf = random_crf(9, generator, biluo=True)
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), 9, generator=generator, dtype=torch.float64) * 2
    allowed = random_mask(emissions, generator) if masked else torch.ones_like(emissions, dtype=torch.bool)
    spans, expected = [], []
    for end_row, length in zip(itertools.accumulate(lengths), lengths, strict=True):
        first_row = end_row - length
        scores = all_paths(crf, emissions[first_row:end_row], allowed[first_row:end_row]) if length else {}
        total = log_sum(list(scores.values()))
        for start, end, label in itertools.product(range(length), range(1, length + 1), range(2)):
            if start < end:
                middle = "U" if end - start == 1 else "B" + "I" * (end - start - 2) + "L"
                wanted = tuple(biluo_tag(label, position) for position in middle)
                mass = log_sum([score for path, score in scores.items() if path[start:end] == wanted])
                spans.append((first_row + start, first_row + end, label))
                expected.append(mass - total)
    starts, ends, labels = torch.tensor(spans).T
    actual = crf.span_log_probability(emissions, layout, starts, ends, labels, allowed)
    assert bool((actual <= 0).all())
    assert bool((actual > -math.inf).any())
    close(actual, expected)
    assert bool((actual == -math.inf).any()) == masked


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=5),
    scale=st.sampled_from([0.5, 2.0, 25.0, 300.0]),
    threshold=st.sampled_from([1e-3, 0.05, 0.3, 0.6, 1.0]),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
def test_probable_spans_are_all_that_there_are(
    lengths: list[int], scale: float, threshold: float, masked: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    crf = random_crf(9, generator, biluo=True)
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), 9, generator=generator, dtype=torch.float64) * scale
    allowed = random_mask(emissions, generator) if masked else None
    spans = [
        (first_row + start, first_row + end, label)
        for first_row, length in zip(itertools.accumulate([0, *lengths]), lengths, strict=False)
        for start, end in itertools.combinations(range(length + 1), 2)
        for label in range(2)
    ]
    starts, ends, labels = torch.tensor(spans, dtype=torch.int64).view(-1, 3).T
    values = crf.span_log_probability(emissions, layout, starts, ends, labels, allowed).tolist()
    expected = {span: value for span, value in zip(spans, values, strict=True) if value >= math.log(threshold) - 1e-9}
    starts, ends, labels, found = crf.find_probable_spans(emissions, layout, threshold, allowed)
    actual = dict(zip(zip(starts.tolist(), ends.tolist(), labels.tolist(), strict=True), found.tolist(), strict=True))
    assert len(actual) == len(starts)
    assert actual.keys() == expected.keys()
    for span, value in expected.items():
        assert actual[span] == pytest.approx(value, abs=1e-9)


def test_a_threshold_of_spans_is_a_probability() -> None:
    crf = LinearChainCRF(*biluo_constraints(2))
    for threshold in (0.0, -1.0, 1.1, math.nan):
        with pytest.raises(ValueError, match="threshold"):
            crf.find_probable_spans(torch.zeros(5, 9), PackedLayout.from_lengths([2, 3]), threshold)


@pytest.mark.parametrize("lengths", [[3], [3, 2]])
def test_probable_spans_need_a_path(lengths: list[int]) -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths(lengths)
    # In the first document: an entity that does not end, one that does not start, and a row without tags.
    for tags in ([[0, 1], [2], [1, 2]], [[3], [0], [0]], [[0], [], [0]]):
        allowed = torch.ones(sum(lengths), 5, dtype=torch.bool)
        allowed[:3] = False
        for row, of_row in enumerate(tags):
            allowed[row, of_row] = True
        with pytest.raises(ValueError, match="No path"):
            crf.find_probable_spans(torch.zeros(sum(lengths), 5), layout, 0.5, allowed)
    emissions = torch.zeros(sum(lengths), 5)
    emissions[1, 2] = math.nan
    with pytest.raises(ValueError, match="finite"):
        crf.find_probable_spans(emissions, layout, 0.5)


def test_span_errors() -> None:
    crf = LinearChainCRF(*biluo_constraints(2))
    layout = PackedLayout.from_lengths([2, 3])
    emissions = torch.zeros(5, 9)
    none = torch.zeros(0, dtype=torch.int64)
    assert crf.span_log_probability(emissions, layout, none, none, none).shape == (0,)

    def run(start: int, end: int, label: int) -> Tensor:
        starts, ends, labels = torch.tensor([[0, 1, 0], [start, end, label]]).T
        return crf.span_log_probability(emissions, layout, starts, ends, labels)

    assert run(2, 5, 1).shape == (2,)
    for start, end in [(1, 3), (1, 1), (3, 2), (-1, 1), (4, 6)]:
        with pytest.raises(ValueError, match="span 1"):
            run(start, end, 0)
    for label in (-1, 2):
        with pytest.raises(ValueError, match="span 1"):
            run(0, 1, label)
    other = LinearChainCRF(torch.ones(3, 3) > 0, torch.ones(3) > 0, torch.ones(3) > 0)
    with pytest.raises(ValueError, match="BILUO"):
        other.span_log_probability(torch.zeros(5, 3), layout, none, none, none)
    with pytest.raises(ValueError, match="BILUO"):
        other.find_probable_spans(torch.zeros(5, 3), layout, 0.5)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_by_finite_differences(engine: str, masked: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    crf = random_crf(5, generator, biluo=True)
    layout = PackedLayout.from_lengths([3, 0, 1, 5, 3])
    emissions = torch.randn(12, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    allowed = random_mask(emissions.detach(), generator) if masked else None
    gold = random_mask(emissions.detach(), generator)

    # gradcheck moves its inputs in place, so the module sees its parameters move.
    def log_partition(emissions: Tensor, *parameters: Tensor) -> Tensor:
        return crf.log_partition(emissions, layout, allowed)

    def loss(emissions: Tensor, *parameters: Tensor) -> Tensor:
        return crf.negative_log_likelihood(emissions, layout, gold, allowed)

    assert torch.autograd.gradcheck(log_partition, (emissions, *crf.parameters()))
    assert torch.autograd.gradcheck(loss, (emissions, *crf.parameters()))


def test_gradient_equals_autograd_through_the_steps() -> None:
    generator = torch.Generator().manual_seed(2)
    crf = random_crf(9, generator, biluo=True)
    layout = PackedLayout.from_lengths([60])
    emissions = torch.randn(60, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    crf.log_partition(emissions, layout).sum().backward()
    actual = [emissions.grad, *(parameter.grad for parameter in crf.parameters())]
    inputs = (emissions, crf.transitions, crf.start, crf.end)
    message = crf.start.masked_fill(~crf.allowed_start, -math.inf) + emissions[0]
    transitions = crf.transitions.masked_fill(~crf.allowed_transitions, -1e30)
    for emission in emissions[1:]:
        message = torch.logsumexp(message.clamp(min=-1e30)[:, None] + transitions, 0) + emission
    total = torch.logsumexp(message + crf.end.masked_fill(~crf.allowed_end, -1e30), 0)
    for ours, theirs in zip(actual, torch.autograd.grad(total, inputs), strict=True):
        assert ours is not None
        close(ours, theirs)


def test_forbidden_entries_have_no_gradient_and_no_effect() -> None:
    generator = torch.Generator().manual_seed(3)
    crf = random_crf(9, generator, biluo=True).float()
    layout = PackedLayout.from_lengths([7, 3])
    emissions = torch.randn(10, 9, generator=generator)
    gold = functional.one_hot(crf.viterbi(-emissions, layout)[0], 9).bool()
    before = crf.negative_log_likelihood(emissions, layout, gold)
    before.sum().backward()
    for parameter, allowed in zip(
        crf.parameters(), (crf.allowed_transitions, crf.allowed_start, crf.allowed_end), strict=True
    ):
        assert parameter.grad is not None
        assert bool((parameter.grad[~allowed] == 0).all())
        assert bool((parameter.grad[allowed] != 0).any())
        with torch.no_grad():
            parameter[~allowed] = 1e30
    assert torch.equal(crf.negative_log_likelihood(emissions, layout, gold), before)


def test_unknown_gold_has_exactly_no_loss_and_no_gradient(engine: str) -> None:
    generator = torch.Generator().manual_seed(4)
    crf = random_crf(9, generator, biluo=True).float()
    lengths = [5, 0, 8, 3]
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(16, 9, generator=generator, requires_grad=True)
    allowed = random_mask(emissions.detach(), generator)
    gold = torch.ones(16, 9, dtype=torch.bool)
    gold[5:13, 1:] = False  # only the document of 8 rows is annotated
    loss = crf.negative_log_likelihood(emissions, layout, gold, allowed)
    assert [value > 0 for value in loss.tolist()] == [doc == 2 for doc in layout.order.tolist()]
    loss.sum().backward()
    assert emissions.grad is not None
    assert bool((emissions.grad[:5] == 0).all())
    assert bool((emissions.grad[13:] == 0).all())
    assert bool((emissions.grad[5:13] != 0).any())
    silent = crf.negative_log_likelihood(emissions, layout, torch.ones_like(gold))
    assert silent.tolist() == [0, 0, 0]
    crf.zero_grad()
    silent.sum().backward()
    assert all(bool((parameter.grad == 0).all()) for parameter in crf.parameters() if parameter.grad is not None)


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    n_labels=st.integers(0, 3),
    seed=st.integers(0, 2**31),
    exponent=st.integers(-1, 30),
)
@settings(max_examples=60, deadline=None)
def test_every_decoded_path_is_valid_biluo(lengths: list[int], n_labels: int, seed: int, exponent: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    n_tags = 1 + 4 * n_labels
    crf = random_crf(n_tags, generator, scale=10.0**exponent, biluo=True).float()
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), n_tags, generator=generator) * 10 ** min(exponent, 5)
    tags, _ = crf.viterbi(emissions, layout)
    k_tags, _ = crf.k_best(emissions, layout, 3)
    for path in (tags, *k_tags):
        for doc in torch.split(path, lengths):
            if doc.numel() and int(doc[0]) >= 0:
                assert is_biluo(doc.tolist())


def is_biluo(path: list[int]) -> bool:
    """Read a path as a person would, without the transition table."""
    open_label = None
    for tag in path:
        label, position = (None, "O") if tag == 0 else ((tag - 1) // 4, "BILU"[(tag - 1) % 4])
        if position in "IL":
            if open_label != label:
                return False
        elif open_label is not None:
            return False
        open_label = label if position in "BI" else None
    return open_label is None


@pytest.mark.parametrize("n_labels", [0, 1, 3])
def test_biluo_constraints_allow_exactly_the_valid_paths(n_labels: int) -> None:
    transitions, start, end = biluo_constraints(n_labels)
    n_tags = 1 + 4 * n_labels
    assert transitions.shape == (n_tags, n_tags)
    for length in range(1, 4):
        for path in itertools.product(range(n_tags), repeat=length):
            allowed = bool(start[path[0]] and end[path[-1]])
            allowed = allowed and all(bool(transitions[i, j]) for i, j in itertools.pairwise(path))
            assert allowed == is_biluo(list(path))
    with pytest.raises(ValueError, match="-1"):
        biluo_constraints(-1)


def test_long_document() -> None:
    generator = torch.Generator().manual_seed(6)
    n_rows = 100_000
    crf = random_crf(5, generator, biluo=True).float()
    layout = PackedLayout.from_lengths([n_rows, 3])
    emissions = (torch.randn(n_rows + 3, 5, generator=generator) * 3).requires_grad_()
    gold = torch.ones(n_rows + 3, 5, dtype=torch.bool)
    gold[:, 1:] = False
    loss = crf.negative_log_likelihood(emissions, layout, gold)
    loss.sum().backward()
    assert bool(torch.isfinite(loss).all())
    assert emissions.grad is not None
    assert bool(torch.isfinite(emissions.grad).all())
    # The gradient is the tags' probabilities less those under gold: it sums to 0 where neither has drifted.
    torch.testing.assert_close(emissions.grad.sum(1), torch.zeros(n_rows + 3), rtol=0, atol=1e-5)
    # Far from the ends a row knows nothing of the document's length.
    middle = emissions.detach()[50_000:50_200].requires_grad_()
    crf.negative_log_likelihood(middle, PackedLayout.from_lengths([200]), gold[:200]).sum().backward()
    assert middle.grad is not None
    torch.testing.assert_close(emissions.grad[50_080:50_120], middle.grad[80:120], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("magnitude", [1e2, 1e4])
def test_huge_scores(magnitude: float) -> None:
    generator = torch.Generator().manual_seed(7)
    crf = random_crf(9, generator, scale=magnitude, biluo=True).float()
    layout = PackedLayout.from_lengths([400, 2])
    emissions = (torch.randn(402, 9, generator=generator) * magnitude).requires_grad_()
    tags, scores = crf.viterbi(emissions, layout)
    loss = crf.negative_log_likelihood(emissions, layout, functional.one_hot(tags, 9).bool())
    loss.sum().backward()
    assert emissions.grad is not None
    assert bool(torch.isfinite(emissions.grad).all())
    assert all(
        parameter.grad is not None and bool(torch.isfinite(parameter.grad).all()) for parameter in crf.parameters()
    )
    marginals, log_partition = crf.marginals(emissions, layout)
    assert not bool(marginals.isnan().any())
    assert bool(torch.isfinite(log_partition).all())
    assert bool((scores <= log_partition * (1 + 1e-6)).all())
    torch.testing.assert_close(marginals.exp().sum(1), torch.ones(402))
    worst, _ = crf.viterbi(-emissions, layout)  # a path that the scores all but exclude must not be lost
    assert bool(
        torch.isfinite(crf.negative_log_likelihood(emissions, layout, functional.one_hot(worst, 9).bool())).all()
    )


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("gap", [1.0, 15.0, 100.0, 1e4])
def test_a_path_is_not_lost_to_underflow(backward: bool, gap: float) -> None:
    """The only path runs through tags whose scores are far below those of tags that lead nowhere, or come from there.

    With a gap of 15 it is only after many rows that the messages run out of exponents.
    """
    transitions = torch.tensor([[True, False], [False, True]])
    ends = [torch.tensor([True, True]), torch.tensor([False, True])]
    crf = LinearChainCRF(transitions, *(reversed(ends) if backward else ends))
    layout = PackedLayout.from_lengths([50])
    emissions = torch.zeros(50, 2)
    emissions[:, 0] = gap
    emissions.requires_grad_()
    values = crf.log_partition(emissions, layout)
    torch.testing.assert_close(values.detach(), torch.zeros(1))
    values.sum().backward()
    torch.testing.assert_close(emissions.grad, torch.tensor([[0.0, 1.0]]).expand(50, 2))
    torch.testing.assert_close(crf.transitions.grad, torch.tensor([[0.0, 0.0], [0.0, 49.0]]))
    marginals, _ = crf.marginals(emissions, layout)
    torch.testing.assert_close(marginals, torch.tensor([[-math.inf, 0.0]]).expand(50, 2))


def test_both_kinds_of_messages_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(8)
    crf = random_crf(17, generator, scale=5, biluo=True).float()
    lengths = torch.randint(0, 40, (20,), generator=generator).tolist()
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), 17, generator=generator) * 10
    gold = random_mask(emissions, generator)
    results = []
    for safe in (True, False):
        if not safe:
            monkeypatch.setattr(ScaledLattice, "is_safe", lambda self: False)
        leaf = emissions.clone().requires_grad_()
        crf.zero_grad()
        loss = crf.negative_log_likelihood(leaf, layout, gold)
        loss.sum().backward()
        results.append([loss.detach(), *crf.marginals(emissions, layout), leaf.grad, crf.transitions.grad])
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_device_without_float64(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(10)
    crf = random_crf(9, generator, scale=scale, biluo=True).float()
    lengths = [40, 3, 0, 12]
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), 9, generator=generator) * scale
    gold = random_mask(emissions, generator)
    results = []
    for dtype in (torch.float64, torch.float32):
        monkeypatch.setattr(crf_module, "_compute_dtype", lambda device, dtype=dtype: dtype)
        leaf = emissions.clone().requires_grad_()
        loss = crf.negative_log_likelihood(leaf, layout, gold)
        loss.sum().backward()
        results.append([loss.detach(), leaf.grad, *crf.marginals(emissions, layout), *crf.viterbi(emissions, layout)])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_results_do_not_depend_on_the_batch(scale: float) -> None:
    generator = torch.Generator().manual_seed(9)
    crf = random_crf(9, generator, scale=2, biluo=True).float()
    lengths = [3, 0, 17, 1, 17, 9, 30, 2]
    rows = list(torch.split(torch.randn(sum(lengths), 9, generator=generator) * 3, lengths))
    rows[6] = rows[6] * scale  # with 300 this document takes its batch to log space

    def run(docs: list[int]) -> dict[int, list[Tensor]]:
        layout = PackedLayout.from_lengths([lengths[doc] for doc in docs])
        emissions = torch.cat([rows[doc] for doc in docs])
        per_doc = [crf.log_partition(emissions, layout).detach(), crf.k_best(emissions, layout, 3)[1]]
        tags, scores = crf.viterbi(emissions, layout)
        per_row = [tags, crf.k_best(emissions, layout, 3)[0].T, crf.marginals(emissions, layout)[0]]
        starts = torch.arange(len(emissions))
        per_row.append(crf.span_log_probability(emissions, layout, starts, starts + 1, torch.ones_like(starts)))
        split = [torch.split(values, [lengths[doc] for doc in docs]) for values in per_row]
        ranks = {docs[doc]: rank for rank, doc in enumerate(layout.order.tolist())}
        return {
            doc: [value[ranks[doc]] for value in (*per_doc, scores)] + [part[place] for part in split]
            for place, doc in enumerate(docs)
            if lengths[doc]
        }

    together, backwards = run(list(range(8))), run(list(range(7, -1, -1)))
    for doc in together:
        for batch in (backwards, run([doc])):
            torch.testing.assert_close(together[doc], batch[doc], rtol=1e-5, atol=1e-5)
            assert torch.equal(together[doc][3], batch[doc][3])
            assert torch.equal(together[doc][4], batch[doc][4])


def test_ties_are_broken_alike_everywhere() -> None:
    crf = LinearChainCRF(*biluo_constraints(2))
    lengths = [4, 1, 0, 3]
    layout = PackedLayout.from_lengths(lengths)
    tags, scores = crf.viterbi(torch.zeros(8, 9), layout)
    assert tags.tolist() == [0] * 8
    assert scores.tolist() == [0.0] * 3
    coarse = torch.randint(0, 2, (8, 9), generator=torch.Generator().manual_seed(0)).float()
    tags, _ = crf.viterbi(coarse, layout)
    paths, values = crf.k_best(coarse, layout, 40)
    assert torch.equal(paths[0], tags)
    for doc, paths_of_doc in enumerate(torch.split(paths, lengths, dim=1)):
        found = [tuple(path) for path in paths_of_doc.tolist() if path and path[0] >= 0]
        assert len(found) == len(set(found))
        if lengths[doc]:
            alone, _ = crf.k_best(coarse.split(lengths)[doc], PackedLayout.from_lengths([lengths[doc]]), 40)
            assert torch.equal(alone, paths_of_doc)
    assert bool((values[:, :-1] >= values[:, 1:]).all())


def test_only_empty_documents(engine: str) -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths([0, 0])
    emissions = torch.zeros(0, 5, requires_grad=True)
    mask = torch.zeros(0, 5, dtype=torch.bool)
    for losses in (crf.log_partition(emissions, layout), crf.negative_log_likelihood(emissions, layout, mask)):
        assert losses.shape == (0,)
        losses.sum().backward()
    assert [tuple(value.shape) for value in crf.viterbi(emissions, layout)] == [(0,), (0,)]
    assert [tuple(value.shape) for value in crf.k_best(emissions, layout, 2, mask)] == [(2, 0), (0, 2)]
    assert [tuple(value.shape) for value in crf.marginals(emissions, layout)] == [(0, 5), (0,)]
    none = torch.zeros(0, dtype=torch.int64)
    assert crf.span_log_probability(emissions, layout, none, none, none).shape == (0,)
    assert [tuple(value.shape) for value in crf.find_probable_spans(emissions, layout, 0.5, mask)] == [(0,)] * 4


def test_documents_of_one_row_need_no_transition(engine: str) -> None:
    crf = LinearChainCRF(torch.zeros(2, 2) > 0, torch.ones(2) > 0, torch.tensor([False, True]))
    layout = PackedLayout.from_lengths([1, 1])
    emissions = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    values = crf.log_partition(emissions, layout)
    values.sum().backward()
    assert values.tolist() == [2.0, 4.0]
    assert crf.transitions.grad is not None
    assert crf.transitions.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_document_without_a_path_is_named() -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths([2, 0, 3, 1])
    emissions = torch.zeros(6, 5)
    allowed = torch.ones(6, 5, dtype=torch.bool)
    allowed[2, 0] = allowed[2, 1] = allowed[2, 4] = False  # document 2 would start with I or L
    allowed[5] = False
    for method in (crf.log_partition, crf.viterbi, crf.marginals):
        with pytest.raises(ValueError, match=r"documents 2, 3\."):
            method(emissions, layout, allowed)
    with pytest.raises(ValueError, match=r"gold annotation exists for documents 2, 3\."):
        crf.negative_log_likelihood(emissions, layout, allowed)
    with pytest.raises(ValueError, match=r"allowed tags exists for documents 2, 3\."):
        crf.negative_log_likelihood(emissions, layout, allowed, allowed)
    tags, scores = crf.k_best(emissions, layout, 2, allowed)
    assert tags[:, 2:].tolist() == [[-1] * 4] * 2
    assert torch.equal(scores == -math.inf, (layout.order >= 2)[:, None].expand(3, 2))


def test_argument_errors() -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths([2])
    emissions = torch.zeros(2, 5)
    with pytest.raises(ValueError, match="Emissions need the shape"):
        crf.log_partition(torch.zeros(3, 5), layout)
    with pytest.raises(ValueError, match="mask of allowed tags"):
        crf.viterbi(emissions, layout, torch.ones(2, 5))
    with pytest.raises(ValueError, match="at least 1"):
        crf.k_best(emissions, layout, 0)
    with pytest.raises(ValueError, match=r"finite.*row 1"):
        crf.log_partition(torch.tensor([[0.0] * 5, [math.nan] * 5]), layout)
    with pytest.raises(ValueError, match="Constraints need"):
        LinearChainCRF(torch.ones(2, 3) > 0, torch.ones(2) > 0, torch.ones(2) > 0)


def test_the_lattice_is_freed_with_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    lattices = []
    run_forward = crf_module.run_forward

    def recording(scores: Scores, rows: Rows) -> Lattice:
        lattice = run_forward(scores, rows)
        lattices.append(weakref.ref(lattice))
        return lattice

    monkeypatch.setattr(crf_module, "run_forward", recording)
    crf = LinearChainCRF(*biluo_constraints(1))
    gc.disable()
    try:
        values = crf.log_partition(torch.zeros(3, 5), PackedLayout.from_lengths([3]))
        assert lattices[0]() is not None
        del values
        assert lattices[0]() is None
    finally:
        gc.enable()


def test_only_weights_are_in_the_state() -> None:
    crf = LinearChainCRF(*biluo_constraints(2))
    assert {name: float(value.abs().sum()) for name, value in crf.state_dict().items()} == {
        "transitions": 0.0,
        "start": 0.0,
        "end": 0.0,
    }
    again = pickle.loads(pickle.dumps(crf))
    assert torch.equal(again.allowed_transitions, crf.allowed_transitions)
