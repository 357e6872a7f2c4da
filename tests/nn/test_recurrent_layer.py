"""A recurrent layer in packed order: recurrent dropout. `test_recurrent_encoder.py` compares its output with a loop."""

import pytest
import torch

from spacy_bilstm.nn.recurrent_layer import RecurrentLayer


@pytest.fixture
def layer() -> RecurrentLayer:
    torch.manual_seed(0)
    return RecurrentLayer(4, 6, "lstm", bidirectional=True, merge="concat")


def test_recurrent_dropout_changes_the_output(layer: RecurrentLayer) -> None:
    vectors = torch.randn(5, 4)
    batch_sizes = torch.ones(5, dtype=torch.int64)
    assert not torch.allclose(layer(vectors, batch_sizes, recurrent_dropout=0.5), layer(vectors, batch_sizes))


def test_recurrent_dropout_has_one_mask_for_each_batch(layer: RecurrentLayer) -> None:
    three_equal_documents = torch.randn(1, 4).expand(6, 4).contiguous()
    output = layer(three_equal_documents, torch.tensor([3, 3]), recurrent_dropout=0.5)
    torch.testing.assert_close(output[0], output[2])
    torch.testing.assert_close(output[3], output[5])


def test_recurrent_dropout_does_not_change_the_weights(layer: RecurrentLayer) -> None:
    before = {name: parameter.clone() for name, parameter in layer.named_parameters()}
    layer(torch.randn(5, 4), torch.ones(5, dtype=torch.int64), recurrent_dropout=0.5)
    assert all(torch.equal(parameter, before[name]) for name, parameter in layer.named_parameters())
