"""Recurrent cells, one file each, and the table of all cells."""

from .cell import Cell
from .elman import Elman
from .gru import GRU
from .lstm import LSTM

__all__ = ["CELLS", "GRU", "LSTM", "Cell", "Elman"]

CELLS: dict[str, Cell] = {cell.name: cell for cell in (Elman(), GRU(), LSTM())}
"""The cells by the names that configs use. To add one, write its file and list it here."""
