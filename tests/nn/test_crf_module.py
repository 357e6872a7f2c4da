"""`LinearChainCRF`: the ranges, shapes, errors and state of its methods, whatever the engine."""

import math
import pickle

import pytest
import torch
from crf_enumeration import make_biluo_crf, make_mask
from torch import Tensor

from spacy_bilstm.nn.biluo import biluo_constraints
from spacy_bilstm.nn.crf import LinearChainCRF, log_partition, module
from spacy_bilstm.nn.crf.lattice import ScaledLattice
from spacy_bilstm.nn.layout import PackedLayout

NO_SPANS = torch.zeros(0, dtype=torch.int64)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, math.nan])
def test_a_threshold_of_spans_is_a_probability(threshold: float) -> None:
    crf = LinearChainCRF(*biluo_constraints(2))
    with pytest.raises(ValueError, match="threshold"):
        crf.find_probable_spans(torch.zeros(5, 9), PackedLayout.from_lengths([2, 3]), threshold)


@pytest.mark.parametrize("lengths", [[3], [3, 2]])
def test_emissions_must_be_finite(lengths: list[int]) -> None:
    crf, layout = LinearChainCRF(*biluo_constraints(1)), PackedLayout.from_lengths(lengths)
    emissions = torch.zeros(sum(lengths), 5)
    emissions[1, 2] = math.nan
    for method in (crf.log_partition, crf.viterbi, crf.marginals):
        with pytest.raises(ValueError, match=r"must be finite.* token 1\."):
            method(emissions, layout)
    with pytest.raises(ValueError, match=r"must be finite.* token 1\."):
        crf.find_probable_spans(emissions, layout, 0.5)


@pytest.mark.parametrize("lengths", [[3], [3, 2]])
def test_probable_spans_need_an_allowed_sequence(lengths: list[int]) -> None:
    crf, layout = LinearChainCRF(*biluo_constraints(1)), PackedLayout.from_lengths(lengths)
    mask = torch.ones(sum(lengths), 5, dtype=torch.bool)
    mask[1] = False
    with pytest.raises(ValueError, match=r"No tag sequence is allowed for document 0\."):
        crf.find_probable_spans(torch.zeros(sum(lengths), 5), layout, 0.5, mask)


@pytest.mark.parametrize("span", [(1, 3, 0), (1, 1, 0), (3, 2, 0), (-1, 1, 0), (4, 6, 0), (0, 1, -1), (0, 1, 2)])
def test_a_span_that_does_not_fit_is_named(span: tuple[int, int, int]) -> None:
    """It leaves its document, is empty, or has an unknown label."""
    crf, layout = LinearChainCRF(*biluo_constraints(2)), PackedLayout.from_lengths([2, 3])
    emissions = torch.zeros(5, 9)
    assert crf.span_log_probability(emissions, layout, *torch.tensor([[0, 1, 0], [2, 5, 1]]).T).shape == (2,)
    with pytest.raises(ValueError, match="span 1"):
        crf.span_log_probability(emissions, layout, *torch.tensor([[0, 1, 0], span]).T)


def test_spans_need_one_shape() -> None:
    crf, layout = LinearChainCRF(*biluo_constraints(2)), PackedLayout.from_lengths([2])
    with pytest.raises(ValueError, match="same shape"):
        crf.span_log_probability(torch.zeros(2, 9), layout, NO_SPANS, NO_SPANS, torch.zeros(1, dtype=torch.int64))


def test_spans_need_biluo_tags() -> None:
    crf = LinearChainCRF(torch.ones(3, 3) > 0, torch.ones(3) > 0, torch.ones(3) > 0)
    layout = PackedLayout.from_lengths([5])
    with pytest.raises(ValueError, match="BILUO"):
        crf.span_log_probability(torch.zeros(5, 3), layout, NO_SPANS, NO_SPANS, NO_SPANS)
    with pytest.raises(ValueError, match="BILUO"):
        crf.find_probable_spans(torch.zeros(5, 3), layout, 0.5)


@pytest.mark.parametrize("lengths", [[], [0, 0], [5], [2, 3]], ids=str)
def test_shapes(lengths: list[int]) -> None:
    crf, layout = LinearChainCRF(*biluo_constraints(1)), PackedLayout.from_lengths(lengths)
    n_tokens, n_docs = sum(lengths), sum(length > 0 for length in lengths)
    emissions = torch.zeros(n_tokens, 5)
    mask = torch.ones(n_tokens, 5, dtype=torch.bool)
    assert [tuple(value.shape) for value in crf.viterbi(emissions, layout)] == [(n_tokens,), (n_docs,)]
    assert [tuple(value.shape) for value in crf.k_best(emissions, layout, 2, mask)] == [(2, n_tokens), (n_docs, 2)]
    assert [tuple(value.shape) for value in crf.marginals(emissions, layout)] == [(n_tokens, 5), (n_docs,)]
    assert crf.span_log_probability(emissions, layout, NO_SPANS, NO_SPANS, NO_SPANS).shape == (0,)
    assert [tuple(value.shape) for value in crf.find_probable_spans(emissions, layout, 1.0, mask)] == [(0,)] * 4


@pytest.mark.parametrize("lengths", [[5], [2, 3]], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_have_the_type_of_the_emissions(lengths: list[int], dtype: torch.dtype) -> None:
    crf, layout = LinearChainCRF(*biluo_constraints(1)), PackedLayout.from_lengths(lengths)
    emissions = torch.zeros(5, 5, dtype=dtype)
    results = [*crf.marginals(emissions, layout), crf.log_partition(emissions, layout)]
    results += [crf.viterbi(emissions, layout)[1], crf.k_best(emissions, layout, 2)[1]]
    results.append(crf.span_log_probability(emissions, layout, NO_SPANS, NO_SPANS, NO_SPANS))
    results.append(crf.find_probable_spans(emissions, layout, 0.1).log_probabilities)
    assert {result.dtype for result in results} == {dtype}


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_device_without_float64(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(10)
    crf = make_biluo_crf(2, generator, scale).float()
    lengths = [40, 3, 0, 12]
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), 9, generator=generator) * scale
    gold_mask = make_mask(emissions, generator)
    results = []
    for dtype in (torch.float64, torch.float32):
        monkeypatch.setattr(log_partition, "compute_dtype", lambda device, dtype=dtype: dtype)
        monkeypatch.setattr(module, "compute_dtype", lambda device, dtype=dtype: dtype)
        leaf = emissions.clone().requires_grad_()
        log_likelihood = crf.log_likelihood(leaf, layout, gold_mask)
        log_likelihood.sum().backward()
        inferred = [*crf.marginals(emissions, layout), *crf.viterbi(emissions, layout)]
        results.append([log_likelihood.detach(), leaf.grad, *inferred])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_results_do_not_depend_on_the_batch(scale: float) -> None:
    generator = torch.Generator().manual_seed(9)
    crf = make_biluo_crf(2, generator, scale=2).float()
    lengths = [3, 0, 17, 1, 17, 9, 30, 2]
    by_doc = list(torch.split(torch.randn(sum(lengths), 9, generator=generator) * 3, lengths))
    by_doc[6] = by_doc[6] * scale  # with 300, this document takes its batch to log space

    def run(docs: list[int]) -> dict[int, list[Tensor]]:
        layout = PackedLayout.from_lengths([lengths[doc] for doc in docs])
        emissions = torch.cat([by_doc[doc] for doc in docs])
        per_doc = [crf.log_partition(emissions, layout).detach(), crf.k_best(emissions, layout, 3)[1]]
        tags, scores = crf.viterbi(emissions, layout)
        per_token = [tags, crf.k_best(emissions, layout, 3)[0].T, crf.marginals(emissions, layout)[0]]
        starts = torch.arange(len(emissions))
        per_token.append(crf.span_log_probability(emissions, layout, starts, starts + 1, torch.ones_like(starts)))
        split = [torch.split(values, [lengths[doc] for doc in docs]) for values in per_token]
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


def test_ties_do_not_depend_on_the_batch() -> None:
    crf = LinearChainCRF(*biluo_constraints(2))
    lengths = [4, 1, 0, 3]
    coarse = torch.randint(0, 2, (8, 9), generator=torch.Generator().manual_seed(0)).float()
    sequences, scores = crf.k_best(coarse, PackedLayout.from_lengths(lengths), 40)
    assert bool((scores[:, :-1] >= scores[:, 1:]).all())
    for doc, of_doc in enumerate(torch.split(sequences, lengths, dim=1)):
        found = [tuple(sequence) for sequence in of_doc.tolist() if sequence and sequence[0] >= 0]
        assert len(found) == len(set(found))
        if lengths[doc]:
            alone, _ = crf.k_best(coarse.split(lengths)[doc], PackedLayout.from_lengths([lengths[doc]]), 40)
            assert torch.equal(alone, of_doc)


def test_documents_without_an_allowed_sequence_are_named() -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths([2, 0, 3, 1])
    emissions = torch.zeros(6, 5)
    mask = torch.ones(6, 5, dtype=torch.bool)
    mask[2, 0] = mask[2, 1] = mask[2, 4] = False  # document 2 would start with I or L
    mask[5] = False
    for method in (crf.log_partition, crf.viterbi, crf.marginals):
        with pytest.raises(ValueError, match=r"No tag sequence is allowed for documents 2, 3\."):
            method(emissions, layout, mask)
    with pytest.raises(ValueError, match=r"agrees with the gold annotation of documents 2, 3\."):
        crf.log_likelihood(emissions, layout, mask)
    with pytest.raises(ValueError, match=r"No tag sequence is allowed for documents 2, 3\."):
        crf.log_likelihood(emissions, layout, mask, mask)


def test_k_best_returns_no_sequence_for_a_document_that_has_none() -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths([2, 0, 3, 1])
    mask = torch.ones(6, 5, dtype=torch.bool)
    mask[2] = mask[5] = False
    tags, scores = crf.k_best(torch.zeros(6, 5), layout, 2, mask)
    assert tags[:, 2:].tolist() == [[-1] * 4] * 2
    assert torch.equal(scores == -math.inf, (layout.order >= 2)[:, None].expand(3, 2))


def test_many_documents_without_a_sequence_are_counted() -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    mask = torch.zeros(12, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match="documents 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"):
        crf.viterbi(torch.zeros(12, 5), PackedLayout.from_lengths([1] * 12), mask)


def test_arguments_that_do_not_fit_are_errors() -> None:
    crf = LinearChainCRF(*biluo_constraints(1))
    layout = PackedLayout.from_lengths([2])
    emissions = torch.zeros(2, 5)
    with pytest.raises(ValueError, match="Emissions need the shape"):
        crf.log_partition(torch.zeros(3, 5), layout)
    with pytest.raises(ValueError, match="mask of allowed tags"):
        crf.viterbi(emissions, layout, torch.ones(2, 5))
    with pytest.raises(ValueError, match="at least 1"):
        crf.k_best(emissions, layout, 0)
    with pytest.raises(ValueError, match="Constraints need"):
        LinearChainCRF(torch.ones(2, 3) > 0, torch.ones(2) > 0, torch.ones(2) > 0)


def test_only_weights_are_in_the_state() -> None:
    crf = LinearChainCRF(*biluo_constraints(2))
    names = ["transitions", "start_transitions", "end_transitions"]
    assert {name: float(value.abs().sum()) for name, value in crf.state_dict().items()} == dict.fromkeys(names, 0.0)
    again = pickle.loads(pickle.dumps(crf))
    assert torch.equal(again.allowed_transitions, crf.allowed_transitions)


def test_marginals_of_huge_scores_are_probabilities() -> None:
    for magnitude in (1e2, 1e4):
        generator = torch.Generator().manual_seed(7)
        crf = make_biluo_crf(2, generator, scale=magnitude).float()
        layout = PackedLayout.from_lengths([400, 2])
        emissions = torch.randn(402, 9, generator=generator) * magnitude
        _, scores = crf.viterbi(emissions, layout)
        marginals, log_partition = crf.marginals(emissions, layout)
        assert not bool(marginals.isnan().any())
        assert bool(torch.isfinite(log_partition).all())
        assert bool((scores <= log_partition * (1 + 1e-6)).all())
        torch.testing.assert_close(marginals.exp().sum(1), torch.ones(402))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("gap", [1.0, 15.0, 100.0, 1e4])
def test_a_tag_sequence_is_not_lost_to_underflow(backward: bool, gap: float) -> None:
    """The only allowed sequence has tags with scores far below those of tags without a future, or without a past.

    With a gap of 15, the messages underflow only after many tokens.
    """
    ends = [torch.tensor([True, True]), torch.tensor([False, True])]
    crf = LinearChainCRF(torch.eye(2) > 0, *(reversed(ends) if backward else ends))
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


def test_messages_as_probabilities_and_in_log_space_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(8)
    crf = make_biluo_crf(4, generator, scale=5).float()
    lengths = torch.randint(0, 40, (20,), generator=generator).tolist()
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), 17, generator=generator) * 10
    gold_mask = make_mask(emissions, generator)
    results = []
    for safe in (True, False):
        if not safe:
            monkeypatch.setattr(ScaledLattice, "is_safe", lambda self: False)
        leaf = emissions.clone().requires_grad_()
        crf.zero_grad()
        log_likelihood = crf.log_likelihood(leaf, layout, gold_mask)
        log_likelihood.sum().backward()
        inferred = crf.marginals(emissions, layout)
        results.append([log_likelihood.detach(), *inferred, leaf.grad, crf.transitions.grad])
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)
