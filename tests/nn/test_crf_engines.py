"""All inference engines of the CRF: their results are those of an enumeration of all tag sequences."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from crf_enumeration import (
    Enumeration,
    get_span_tags,
    is_biluo,
    make_biluo_crf,
    make_mask,
    make_random_crf,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_bilstm.nn.biluo import count_labels, count_tags
from spacy_bilstm.nn.crf import LinearChainCRF, transitions
from spacy_bilstm.nn.crf.batch_engine import BatchEngine, BatchPosterior
from spacy_bilstm.nn.crf.biluo_engine import BiluoEngine
from spacy_bilstm.nn.crf.document_engine import DocumentEngine, DocumentPosterior
from spacy_bilstm.nn.crf.engine import Engine, make_engine
from spacy_bilstm.nn.crf.lattice import ScaledLattice
from spacy_bilstm.nn.layout import PackedLayout

Span = tuple[int, int, int]


class LogSpaceEngine(BatchEngine):
    """The engine for batches, as it treats extreme scores."""

    def forward_backward(self) -> BatchPosterior:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ScaledLattice, "is_safe", lambda self: False)
            return super().forward_backward()


class SmallPartsEngine(BiluoEngine):
    """The engine for many labels, as it treats batches that are too large for one part."""

    max_scores = 1

    def forward_backward(self) -> BatchPosterior:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transitions, "_MANY_TAGS", 0)
            return super().forward_backward()


ENGINES = {
    "batch": (BatchEngine, 4),
    "log": (LogSpaceEngine, 4),
    "document": (DocumentEngine, 1),
    "biluo": (BiluoEngine, 4),
    "parts": (SmallPartsEngine, 4),
}
all_engines = pytest.mark.parametrize(("make", "max_docs"), ENGINES.values(), ids=ENGINES)
some_examples = settings(max_examples=25, deadline=None)


@dataclass
class Problem:
    """A batch with random scores."""

    crf: LinearChainCRF
    lengths: list[int]
    emissions: Tensor
    mask: Tensor | None

    @property
    def layout(self) -> PackedLayout:
        return PackedLayout.from_lengths(self.lengths)

    @property
    def starts(self) -> list[int]:
        """The first token of each document."""
        return [0, *itertools.accumulate(self.lengths)][:-1]

    def make_engine(self, make: type[Any]) -> Engine:
        with torch.no_grad():
            engine: Engine = make(self.crf.make_scores(self.emissions, self.layout, self.mask), self.layout)
        return engine

    def enumerate(self) -> list[tuple[int, slice, Enumeration]]:
        """Return document, tokens and tag sequences of each document that is not empty, in packed order."""
        result = []
        for doc in self.layout.order.tolist():
            tokens = slice(self.starts[doc], self.starts[doc] + self.lengths[doc])
            mask = None if self.mask is None else self.mask[tokens]
            result.append((doc, tokens, Enumeration(self.crf, self.emissions[tokens], mask)))
        return result

    def list_spans(self) -> list[Span]:
        """Return all spans with all labels."""
        labels = range(count_labels(self.crf.n_tags))
        return [
            (first + start, first + end, label)
            for first, length in zip(self.starts, self.lengths, strict=True)
            for start, end in itertools.combinations(range(length + 1), 2)
            for label in labels
        ]


def needs_biluo(make: type[Any]) -> bool | None:
    """Return True for engines of BILUO tags only, None for those of any tags."""
    return issubclass(make, BiluoEngine) or None


@st.composite
def problems(
    draw: st.DrawFn, max_docs: int, biluo: bool | None = None, max_length: int = 3, max_labels: int = 2
) -> Problem:
    """Draw a batch with at most so many documents that are not empty."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from([0.5, 2.0, 25.0]))
    if draw(st.booleans()) if biluo is None else biluo:
        crf = make_biluo_crf(draw(st.integers(0, max_labels)), generator, scale)
    else:
        crf = make_random_crf(draw(st.integers(1, 4)), generator, scale)
    lengths = draw(st.lists(st.integers(1, max_length), min_size=1, max_size=max_docs))
    for place in draw(st.lists(st.integers(0, len(lengths)), max_size=2)):
        lengths.insert(place, 0)
    emissions = torch.randn(sum(lengths), crf.n_tags, generator=generator, dtype=torch.float64) * scale
    mask = make_mask(emissions, generator) if draw(st.booleans()) else None
    return Problem(crf, lengths, emissions, mask)


def assert_close(actual: Tensor, expected: Any) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=1e-9, atol=1e-9)


@all_engines
@some_examples
@given(data=st.data())
def test_viterbi_finds_the_best_sequence(make: type[Any], max_docs: int, data: st.DataObject) -> None:
    problem = data.draw(problems(max_docs, biluo=needs_biluo(make)))
    tags, scores = problem.make_engine(make).viterbi()
    assert tags.shape == (len(problem.emissions),)
    for (_, tokens, sequences), score in zip(problem.enumerate(), scores, strict=True):
        best, expected = sequences.rank()[0]
        assert tuple(tags[tokens].tolist()) == best
        assert_close(score, expected)


@all_engines
@some_examples
@given(data=st.data(), k=st.integers(1, 7))
def test_k_best_finds_the_best_sequences(make: type[Any], max_docs: int, data: st.DataObject, k: int) -> None:
    problem = data.draw(problems(max_docs, biluo=needs_biluo(make)))
    tags, scores = problem.make_engine(make).k_best(k)
    assert tags.shape == (k, len(problem.emissions))
    for (doc, tokens, sequences), of_doc in zip(problem.enumerate(), scores, strict=True):
        best = sequences.rank()[:k]
        best += [((-1,) * problem.lengths[doc], -math.inf)] * (k - len(best))
        assert [tuple(sequence) for sequence in tags[:, tokens].tolist()] == [sequence for sequence, _ in best]
        assert_close(of_doc, [score for _, score in best])


@all_engines
@some_examples
@given(data=st.data())
def test_the_log_partition_sums_over_all_sequences(make: type[Any], max_docs: int, data: st.DataObject) -> None:
    problem = data.draw(problems(max_docs, biluo=needs_biluo(make)))
    log_partition = problem.make_engine(make).forward_backward().log_partition
    assert_close(log_partition, [sequences.log_partition for _, _, sequences in problem.enumerate()])


@all_engines
@some_examples
@given(data=st.data())
def test_a_marginal_is_the_mass_of_all_sequences_with_the_tag(
    make: type[Any], max_docs: int, data: st.DataObject
) -> None:
    problem = data.draw(problems(max_docs, biluo=needs_biluo(make)))
    marginals = problem.make_engine(make).forward_backward().marginals()
    for _, tokens, sequences in problem.enumerate():
        assert_close(marginals[tokens], sequences.marginals(problem.crf.n_tags))


@all_engines
@some_examples
@given(data=st.data())
def test_a_span_has_the_mass_of_all_sequences_with_its_tags(
    make: type[Any], max_docs: int, data: st.DataObject
) -> None:
    problem = data.draw(problems(max_docs, biluo=True))
    spans = problem.list_spans()
    expected = []
    for _, tokens, sequences in sorted(problem.enumerate(), key=lambda entry: entry[0]):
        for start, end, label in spans:
            if tokens.start <= start < tokens.stop:
                expected.append(sequences.log_probability(start - tokens.start, get_span_tags(end - start, label)))
    starts, ends, labels = torch.tensor(spans, dtype=torch.int64).view(-1, 3).T
    values = problem.make_engine(make).forward_backward().span_log_probability(starts, ends, labels)
    assert bool((values <= 0).all())
    assert_close(values, expected)


@all_engines
@settings(max_examples=40, deadline=None)
@given(data=st.data(), threshold=st.sampled_from([1e-3, 0.05, 0.3, 0.6, 1.0]))
def test_exactly_the_probable_spans_are_found(
    make: type[Any], max_docs: int, data: st.DataObject, threshold: float
) -> None:
    problem = data.draw(problems(max_docs, biluo=True, max_length=12))
    lowest = math.log(threshold) - 1e-9
    spans = problem.list_spans()
    starts, ends, labels = torch.tensor(spans, dtype=torch.int64).view(-1, 3).T
    posterior = problem.make_engine(make).forward_backward()
    values = posterior.span_log_probability(starts, ends, labels).tolist()
    expected = {span: value for span, value in zip(spans, values, strict=True) if value >= lowest}
    *found, log_probabilities = (values.tolist() for values in posterior.find_probable_spans(lowest))
    actual = dict(zip(zip(*found, strict=True), log_probabilities, strict=True))
    assert len(actual) == len(log_probabilities)
    assert actual == {span: pytest.approx(value, abs=1e-9) for span, value in expected.items()}


@all_engines
@pytest.mark.parametrize("allowed", [([0, 1], [2], [1, 2]), ([3], [0], [0]), ([0], [], [0])])
def test_a_document_without_a_sequence_has_no_finite_score(
    make: type[Any], max_docs: int, allowed: tuple[list[int], ...]
) -> None:
    """An entity does not end, or does not start, or a token has no tag."""
    crf = make_biluo_crf(1, torch.Generator().manual_seed(0))
    lengths = [3] * max_docs
    mask = torch.ones(sum(lengths), 5, dtype=torch.bool)
    mask[:3] = False
    for token, tags in enumerate(allowed):
        mask[token, tags] = True
    engine = Problem(crf, lengths, torch.zeros(mask.shape, dtype=torch.float64), mask).make_engine(make)
    is_possible = [False, True, True, True][:max_docs]
    for values in (engine.viterbi()[1], engine.k_best(1)[1][:, 0], engine.forward_backward().log_partition):
        assert torch.isfinite(values).tolist() == is_possible


@all_engines
@settings(max_examples=40, deadline=None)
@given(data=st.data(), n_labels=st.integers(0, 3), seed=st.integers(0, 2**31), exponent=st.integers(-1, 30))
def test_every_decoded_sequence_is_valid_biluo(
    make: type[Any], max_docs: int, data: st.DataObject, n_labels: int, seed: int, exponent: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=max_docs))
    crf = make_biluo_crf(n_labels, generator, scale=10.0**exponent)
    emissions = torch.randn(sum(lengths), count_tags(n_labels), generator=generator) * 10 ** min(exponent, 5)
    engine = Problem(crf, lengths, emissions, None).make_engine(make)
    for sequence in (engine.viterbi()[0], *engine.k_best(3)[0]):
        for doc in torch.split(sequence, lengths):
            assert int(doc[0]) < 0 or is_biluo(tuple(doc.tolist()))


@all_engines
def test_of_equal_sequences_the_one_with_the_lower_last_tag_is_found(make: type[Any], max_docs: int) -> None:
    crf = make_biluo_crf(2, torch.Generator(), scale=0.0)
    lengths = [4, 1, 3, 3][:max_docs]
    engine = Problem(crf, lengths, torch.zeros(sum(lengths), 9), None).make_engine(make)
    tags, scores = engine.viterbi()
    assert tags.tolist() == [0] * len(tags)
    assert scores.tolist() == [0.0] * len(lengths)
    coarse = torch.randint(0, 2, (sum(lengths), 9), generator=torch.Generator().manual_seed(0)).float()
    engine = Problem(crf, lengths, coarse, None).make_engine(make)
    assert torch.equal(engine.k_best(40)[0][0], engine.viterbi()[0])


@pytest.mark.parametrize(
    ("lengths", "n_labels", "expected"),
    [
        ([3], 1, DocumentEngine),
        ([0, 3, 0], 1, DocumentEngine),
        ([3, 1], 1, BatchEngine),
        ([], 1, BatchEngine),
        ([3], 18, DocumentEngine),
        ([3, 1], 18, BiluoEngine),
        ([3], 100, BiluoEngine),
    ],
)
def test_the_engine_depends_on_documents_and_labels(lengths: list[int], n_labels: int, expected: type[Any]) -> None:
    crf, layout = make_biluo_crf(n_labels, torch.Generator()), PackedLayout.from_lengths(lengths)
    with torch.no_grad():
        assert type(make_engine(crf.make_scores(torch.zeros(sum(lengths), crf.n_tags), layout), layout)) is expected


def test_tags_with_other_constraints_than_biluo_use_the_general_engine() -> None:
    crf = make_random_crf(73, torch.Generator().manual_seed(0), 1.0)
    layout = PackedLayout.from_lengths([3, 1])
    with torch.no_grad():
        assert type(make_engine(crf.make_scores(torch.zeros(4, 73), layout), layout)) is BatchEngine


@pytest.mark.parametrize("n_labels", [18, 60])
@pytest.mark.parametrize("is_tied", [False, True])
def test_with_many_labels_both_engines_find_the_same(n_labels: int, is_tied: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    crf = make_biluo_crf(n_labels, generator, scale=1.0)
    lengths = [7, 0, 3, 12, 1]
    emissions = torch.randn(sum(lengths), crf.n_tags, generator=generator, dtype=torch.float64) * 3
    if is_tied:
        emissions = emissions.round()
        with torch.no_grad():
            crf.transitions.round_()
    problem = Problem(crf, lengths, emissions, None)
    general, biluo = problem.make_engine(BatchEngine), problem.make_engine(BiluoEngine)
    both = zip(general.viterbi() + general.k_best(4), biluo.viterbi() + biluo.k_best(4), strict=True)
    assert all(torch.equal(expected, actual) for expected, actual in both)


def test_scores_that_differ_by_too_much_are_computed_in_log_space() -> None:
    crf, emissions = make_biluo_crf(1, torch.Generator(), scale=0.0), torch.zeros(3, 5)
    engine = Problem(crf, [3], emissions, None).make_engine(DocumentEngine)
    assert isinstance(engine.forward_backward(), DocumentPosterior)
    emissions[1, 2] = 1000.0
    engine = Problem(crf, [3], emissions, None).make_engine(DocumentEngine)
    assert isinstance(engine.forward_backward(), BatchPosterior)
