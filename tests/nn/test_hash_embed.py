"""Hash embeddings."""

import pytest
import torch

from spacy_bilstm.nn.hash_embed import HashEmbed

HASHED = torch.tensor([[0, 1, 2, 3], [9, 9, 0, 5]])


def test_sums() -> None:
    embed = HashEmbed(10, 3)
    torch.testing.assert_close(embed(HASHED), embed.weight[HASHED].sum(1))


def test_means() -> None:
    embed = HashEmbed(10, 3, "mean")
    torch.testing.assert_close(embed(HASHED), embed.weight[HASHED].mean(1))


def test_initial_rows_of_sums_are_small() -> None:
    assert 0.09 < HashEmbed(100, 10).weight.abs().max() <= 0.1


def test_initial_means_of_four_rows_have_a_variance_of_one() -> None:
    torch.manual_seed(0)
    embed = HashEmbed(2000, 64, "mean")
    assert embed(torch.randint(2000, (500, 4))).std().item() == pytest.approx(1.0, abs=0.05)
