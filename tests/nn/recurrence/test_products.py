"""The products of hidden states and recurrent weights in each precision."""

import pytest
import torch

from spacy_bilstm.nn.recurrence.products import PRODUCTS

TOLERANCES = {"float32": 1e-6, "bfloat16": 0.05, "int8": 0.05}


@pytest.mark.parametrize("width", [1, 3, 8])
@pytest.mark.parametrize("precision", PRODUCTS)
def test_the_product_is_added_within_the_rounding_of_the_precision(precision: str, width: int) -> None:
    torch.manual_seed(0)
    weights, gates = torch.randn(2, width, 4 * width), torch.randn(2, 5, 4 * width)
    hidden = torch.rand(2, 5, width) * 2 - 1
    expected = gates + hidden @ weights
    PRODUCTS[precision](weights, 5).add_to(gates, hidden)
    torch.testing.assert_close(gates, expected, rtol=0, atol=TOLERANCES[precision])
