"""Locked dropout."""

import pytest
import torch

from spacy_bilstm.nn.dropout import locked_dropout


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_a_document_drops_the_same_features_at_every_time_step() -> None:
    kept = locked_dropout(torch.ones(6, 200), torch.tensor([0, 1, 2, 0, 1, 0]), 3, 0.4)
    assert torch.equal(kept[0], kept[3])
    assert torch.equal(kept[0], kept[5])
    assert torch.equal(kept[1], kept[4])


def test_documents_drop_different_features() -> None:
    kept = locked_dropout(torch.ones(2, 200), torch.tensor([0, 1]), 2, 0.4)
    assert not torch.equal(kept[0], kept[1])


def test_kept_features_are_scaled_so_that_the_mean_stays() -> None:
    kept = locked_dropout(torch.ones(6, 200), torch.arange(6), 6, 0.4)
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert kept.mean() == pytest.approx(1.0, abs=0.1)


def test_a_rate_of_zero_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    vectors = torch.ones(2, 3)
    assert locked_dropout(vectors, torch.tensor([0, 1]), 2, 0.0) is vectors
    assert torch.equal(torch.get_rng_state(), before)
