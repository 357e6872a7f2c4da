"""Test the prices of encoders."""

import pytest

from spacy_bilstm.experiments import Price, compare_prices, make_variants


@pytest.fixture(scope="module")
def prices() -> dict[str, Price]:
    """The prices of small encoders by name."""
    variants = make_variants(["lstm"], [1, 2], ["concat", "sum"], cnn=True)
    comparison = compare_prices(variants, width=16, n_docs=4, max_length=10, rounds=2)
    return {price.variant.name: price for price in comparison.prices}


def test_one_direction_is_the_unit_of_the_ratios(prices: dict[str, Price]) -> None:
    assert prices["LSTM"].predict_ratio == prices["LSTM"].train_ratio == 1.0


def test_concatenated_directions_have_fewer_weights_than_added_ones(prices: dict[str, Price]) -> None:
    assert prices["BiLSTM"].parameters < prices["BiLSTM sum"].parameters


def test_the_cnn_has_no_ratio(prices: dict[str, Price]) -> None:
    assert prices["CNN"].predict_ratio is None
    assert prices["CNN"].train_ratio is None
