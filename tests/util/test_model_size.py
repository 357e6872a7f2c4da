"""The number of weights of a model."""

from spacy.util import registry
from thinc.api import Linear, PyTorchLSTM, PyTorchWrapper, chain
from torch import nn

from spacy_bilstm.util.model_size import count_parameters


def test_weights_of_all_layers_are_counted() -> None:
    model = chain(Linear(5, 3), Linear(2, 5))
    model.initialize()
    assert count_parameters(model) == (5 * 3 + 5) + (2 * 5 + 2)


def test_weights_of_torch_modules_are_counted() -> None:
    encoder = registry.get("architectures", "spacy-bilstm.BiLSTMEncoder.v1")(width=4)
    encoder.initialize()
    n_gates, hidden, n_directions = 4, 2, 2
    lstm = n_directions * n_gates * hidden * (4 + hidden + 2)  # Input, hidden state, and torch's two biases.
    layer_norm = 2 * 4
    assert count_parameters(encoder) == lstm + layer_norm


def test_weights_of_thincs_own_torch_layers_are_counted() -> None:
    model = chain(PyTorchLSTM(2, 4), Linear(3, 2), PyTorchWrapper(nn.Linear(3, 2)))
    model.initialize()
    lstm = 4 * 2 * (4 + 2 + 2)
    assert count_parameters(model) == lstm + 3 * 2 + 3 + 3 * 2 + 2
