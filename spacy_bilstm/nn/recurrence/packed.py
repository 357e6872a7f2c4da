"""The strategy that runs layers in PyTorch's packed order. It works for all cells and devices, with gradients."""

from torch import Tensor

from ..dropout import locked_dropout
from ..layout import PackedLayout
from ..recurrent_layer import RecurrentLayer
from .strategy import Strategy, Workload


class Packed(Strategy):
    """Sorts the documents by length, and runs them together with the cell's `run_packed`."""

    def __init__(self, workload: Workload) -> None:
        """Lay out the documents in packed order."""
        super().__init__(workload)
        self._layout = PackedLayout.from_lengths(workload.lengths, workload.device)

    @staticmethod
    def applies(workload: Workload) -> bool:
        """Return True."""
        return True

    def run_layer(self, layer: RecurrentLayer, vectors: Tensor) -> Tensor:
        """Run one layer in packed order."""
        output: Tensor = layer(vectors, self._layout.batch_sizes, self.workload.recurrent_dropout)
        return output

    def arrange(self, vectors: Tensor) -> Tensor:
        """Bring token vectors into packed order."""
        return vectors[self._layout.to_packed]

    def restore(self, vectors: Tensor) -> Tensor:
        """Bring token vectors back into the caller's order."""
        return vectors[self._layout.from_packed]

    def drop(self, vectors: Tensor, rate: float) -> Tensor:
        """Apply locked dropout to token vectors in packed order."""
        return locked_dropout(vectors, self._layout.document, len(self._layout.order), rate)
