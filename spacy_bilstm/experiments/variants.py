"""What is compared. Cells, directions, merges and depths come in, variants with names and configs go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CNN = "cnn"


@dataclass(frozen=True)
class Variant:
    """An encoder to compare.

    cell: `"rnn"`, `"gru"`, `"lstm"`, or `CNN` for spaCy's default convolutional encoder.
    directions: 1 or 2.
    merge: how two directions become one row.
    depth: number of layers.
    """

    cell: str
    directions: int = 1
    merge: str = "concat"
    depth: int = 1

    @property
    def name(self) -> str:
        """Name it as the literature does, such as "BiLSTM"; the merge and the depth only where they are not default."""
        if self.cell == CNN:
            return "CNN"
        depth = f"{self.depth}-layer " if self.depth > 1 else ""
        merge = f" {self.merge}" if self.directions == 2 and self.merge != "concat" else ""
        return f"{depth}{'Bi' if self.directions == 2 else ''}{self.cell.upper()}{merge}"

    def encoder_config(self, width: int) -> dict[str, Any]:
        """Give the encoder's block of a config.

        width: width of its input and output.
        RETURNS: the block; for the CNN that of spaCy's default: four layers that each see one word to either side.
        """
        if self.cell == CNN:
            window = {"depth": 4, "window_size": 1, "maxout_pieces": 3}
            return {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": width, **window}
        return {
            "@architectures": "spacy-bilstm.RecurrentEncoder.v1",
            "width": width,
            "depth": self.depth,
            "cell": self.cell,
            "bidirectional": self.directions == 2,
            "merge": self.merge,
        }


def make_variants(
    cells: Sequence[str], directions: Sequence[int], merges: Sequence[str], depths: Sequence[int], cnn: bool
) -> list[Variant]:
    """Combine everything with everything. One direction has no merge, so it comes once.

    cells, directions, merges, depths: the values to combine.
    cnn: whether spaCy's convolutional encoder comes last.
    RETURNS: the variants, none twice.
    """
    variants = [
        Variant(cell, n, merge if n == 2 else "concat", depth)
        for depth in depths
        for cell in cells
        for n in directions
        for merge in merges
    ]
    return list(dict.fromkeys(variants + [Variant(CNN)] * cnn))
