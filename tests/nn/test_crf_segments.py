"""Viterbi on segments: the tags are those of an enumeration of all tag sequences, and clear tokens are left out."""

import numpy
import pytest
import torch
from crf_enumeration import Enumeration, make_biluo_crf, make_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_bilstm.nn.biluo import count_tags
from spacy_bilstm.nn.crf import LinearChainCRF
from spacy_bilstm.nn.crf.batch_engine import BatchEngine
from spacy_bilstm.nn.crf.pruning import find_possible_entities
from spacy_bilstm.nn.crf.scores import ScoreArrays
from spacy_bilstm.nn.crf.segments import find_best_tags
from spacy_bilstm.nn.layout import PackedLayout


@st.composite
def batches(draw: st.DrawFn, max_labels: int, max_length: int) -> tuple[LinearChainCRF, list[int], Tensor, Tensor]:
    """Draw a CRF, lengths, emissions in which many tokens are clearly "O", and a mask that always allows a sequence."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from([0.0, 0.5, 3.0]))
    crf = make_biluo_crf(draw(st.integers(1, max_labels)), generator, scale)
    lengths = draw(st.lists(st.integers(0, max_length), min_size=1, max_size=4).filter(any))
    emissions = torch.randn(sum(lengths), crf.n_tags, generator=generator, dtype=torch.float64) * 3
    is_clear = torch.rand(sum(lengths), generator=generator) < draw(st.sampled_from([0.0, 0.5, 0.9]))
    emissions[:, 0] += is_clear * draw(st.sampled_from([5.0, 20.0]))
    if draw(st.booleans()):  # equal scores
        emissions = emissions.round()
        with torch.no_grad():
            for parameter in crf.parameters():
                parameter.round_()
    if draw(st.booleans()):
        emissions = emissions.float()
    mask = torch.ones(emissions.shape, dtype=torch.bool)
    if draw(st.booleans()):
        mask = make_mask(emissions, generator)
        starts = [sum(lengths[:doc]) for doc, length in enumerate(lengths) if length]
        for start in draw(st.lists(st.sampled_from(starts), max_size=2, unique=True)):  # a preset entity
            mask[start] = False
            mask[start, 4] = True
    return crf, lengths, emissions, mask


def make_arrays(crf: LinearChainCRF, emissions: Tensor, mask: Tensor) -> ScoreArrays:
    with torch.no_grad():
        _, *parameters = vars(crf.make_scores(emissions, PackedLayout.from_lengths([len(emissions)]))).values()
    allowed = emissions.masked_fill(~mask, -numpy.inf)
    return ScoreArrays(allowed.numpy(), *(parameter.numpy() for parameter in parameters[:3]))


def find_first_tokens(lengths: list[int]) -> numpy.ndarray:
    is_first = numpy.zeros(sum(lengths), dtype=bool)
    is_first[[sum(lengths[:doc]) for doc, length in enumerate(lengths) if length]] = True
    return is_first


def decode_all(
    crf: LinearChainCRF, lengths: list[int], emissions: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Decode without leaving out any token."""
    layout = PackedLayout.from_lengths(lengths)
    with torch.no_grad():
        return BatchEngine(crf.make_scores(emissions, layout, mask), layout).viterbi()


@settings(max_examples=150, deadline=None)
@given(batch=batches(max_labels=2, max_length=3))
def test_the_best_sequence_of_all_is_found(batch: tuple[LinearChainCRF, list[int], Tensor, Tensor]) -> None:
    crf, lengths, emissions, mask = batch
    layout = PackedLayout.from_lengths(lengths)
    tags, scores = find_best_tags(make_arrays(crf, emissions, mask), layout)
    for doc, score in zip(layout.order.tolist(), scores, strict=True):
        tokens = slice(sum(lengths[:doc]), sum(lengths[: doc + 1]))
        sequences = Enumeration(crf, emissions[tokens], mask[tokens])
        assert score == pytest.approx(sequences.scores.max())
        place = sequences.sequences.tolist().index(tags[tokens].tolist())
        assert sequences.scores[place] == pytest.approx(score)


@settings(max_examples=250, deadline=None)
@given(batch=batches(max_labels=2, max_length=3))
def test_a_token_that_is_left_out_is_outside_in_every_best_sequence(
    batch: tuple[LinearChainCRF, list[int], Tensor, Tensor],
) -> None:
    crf, lengths, emissions, mask = batch
    is_possible = find_possible_entities(make_arrays(crf, emissions, mask), find_first_tokens(lengths))
    for doc, length in enumerate(lengths):
        if length:
            tokens = slice(sum(lengths[:doc]), sum(lengths[: doc + 1]))
            sequences = Enumeration(crf, emissions[tokens], mask[tokens])
            best = sequences.sequences[sequences.scores >= sequences.scores.max() - 1e-9]
            assert not best[:, ~is_possible[tokens]].any()


@settings(max_examples=60, deadline=None)
@given(batch=batches(max_labels=6, max_length=30))
def test_tags_are_those_of_the_whole_documents_and_of_documents_alone(
    batch: tuple[LinearChainCRF, list[int], Tensor, Tensor],
) -> None:
    crf, lengths, emissions, mask = batch
    layout = PackedLayout.from_lengths(lengths)
    tags, scores = find_best_tags(make_arrays(crf, emissions, mask), layout)
    expected_tags, expected_scores = decode_all(crf, lengths, emissions, mask)
    torch.testing.assert_close(torch.from_numpy(scores), expected_scores)
    assert tags.tolist() == expected_tags.tolist()
    documents = zip(tags_of(tags, lengths), emissions.split(lengths), mask.split(lengths), strict=True)
    for of_doc, scores_of_doc, mask_of_doc in documents:
        alone, _ = crf.viterbi(scores_of_doc, PackedLayout.from_lengths([len(of_doc)]), mask_of_doc)
        assert alone.tolist() == of_doc


def tags_of(tags: numpy.ndarray, lengths: list[int]) -> list[list[int]]:
    return [part.tolist() for part in torch.from_numpy(tags).split(lengths)]


@pytest.mark.parametrize("n_labels", [1, 3, 18, 51])
@pytest.mark.parametrize("is_clear", [True, False])
def test_many_documents_with_many_labels(n_labels: int, is_clear: bool) -> None:
    generator = torch.Generator().manual_seed(n_labels)
    crf = make_biluo_crf(n_labels, generator)
    lengths = [1 + i % 9 for i in range(60)]
    emissions = torch.randn(sum(lengths), count_tags(n_labels), generator=generator) * 3
    emissions[:, 0] += 8.0 * is_clear
    tags, scores = crf.viterbi(emissions, PackedLayout.from_lengths(lengths))
    expected_tags, expected_scores = decode_all(crf, lengths, emissions, None)
    assert torch.equal(tags, expected_tags)
    torch.testing.assert_close(scores, expected_scores.float())


def test_only_an_entity_and_tokens_that_can_belong_to_it_are_possible() -> None:
    crf = make_biluo_crf(18, torch.Generator().manual_seed(0), scale=0.1)
    lengths = [20, 1, 0, 20]
    emissions = torch.zeros(41, 73)
    emissions[:, 0] = 9.0
    emissions[5, 4] = 15.0  # U
    emissions[25, 9], emissions[26, 11] = 20.0, 20.0  # B L
    is_possible = find_possible_entities(
        make_arrays(crf, emissions, torch.ones(41, 73, dtype=torch.bool)), find_first_tokens(lengths)
    )
    assert numpy.flatnonzero(is_possible).tolist() == [5, 25, 26]


def test_a_document_with_a_preset_entity_is_decoded_as_a_whole_and_the_others_are_not() -> None:
    crf, lengths = make_biluo_crf(1, torch.Generator(), scale=0.0), [3, 4, 2]
    emissions = torch.zeros(9, 5)
    emissions[:, 0] = 9.0
    mask = torch.ones(9, 5, dtype=torch.bool)
    mask[4] = False
    mask[4, 4] = True
    is_possible = find_possible_entities(make_arrays(crf, emissions, mask), find_first_tokens(lengths))
    assert numpy.flatnonzero(is_possible).tolist() == [3, 4, 5, 6]
    assert crf.viterbi(emissions, PackedLayout.from_lengths(lengths), mask)[0].tolist() == [0, 0, 0, 0, 4, 0, 0, 0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("tag", [0, 1])
@pytest.mark.filterwarnings("error")
def test_emissions_that_are_not_finite_are_an_error(value: float, tag: int) -> None:
    crf = make_biluo_crf(1, torch.Generator(), scale=0.0)
    emissions = torch.zeros(6, 5)
    emissions[:, 0] = 9.0
    emissions[4, tag] = value
    with pytest.raises(ValueError, match="token 4"):
        crf.viterbi(emissions, PackedLayout.from_lengths([3, 3]))
