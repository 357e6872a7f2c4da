"""The encoders that an experiment compares: their names and their configs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spacy.util import registry

from ..bridge.model_types import EncoderModel
from ..nn.cells import CELLS as CELL_TABLE
from ..nn.merges import MERGES as MERGE_TABLE

CELLS = tuple(CELL_TABLE)
MERGES = tuple(MERGE_TABLE)
CNN = "cnn"


@dataclass(frozen=True)
class Variant:
    """An encoder to compare.

    cell: one of `CELLS`, or `CNN` for spaCy's default convolutional encoder.
    directions: 1 or 2.
    merge: one of `MERGES`: how the vectors of two directions become one.
    depth: number of layers.
    """

    cell: str
    directions: int = 1
    merge: str = "concat"
    depth: int = 1

    @property
    def name(self) -> str:
        """The name as in the literature, such as "BiLSTM", with the merge and the depth unless they are the default."""
        if self.cell == CNN:
            return "CNN"
        depth = f"{self.depth}-layer " if self.depth > 1 else ""
        merge = f" {self.merge}" if self.directions == 2 and self.merge != "concat" else ""
        return f"{depth}{'Bi' if self.directions == 2 else ''}{self.cell.upper()}{merge}"

    def make_config(self, width: int) -> dict[str, Any]:
        """Return the config block of the encoder.

        width: width of its input and output.
        RETURNS: the block. The CNN has spaCy's default: four layers that each see one word to either side.
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
    cells: Sequence[str] = ("lstm",),
    directions: Sequence[int] = (1, 2),
    merges: Sequence[str] = ("concat",),
    depths: Sequence[int] = (1,),
    cnn: bool = False,
) -> list[Variant]:
    """Make a variant for each combination of cell, directions, merge and depth.

    cells, directions, merges, depths: the values to combine. The merges apply to two directions only.
    cnn: whether to add spaCy's convolutional encoder at the end.
    RETURNS: the variants without duplicates.
    """
    variants = [
        Variant(cell, n, merge if n == 2 else "concat", depth)
        for depth in depths
        for cell in cells
        for n in directions
        for merge in merges
    ]
    return list(dict.fromkeys(variants + [Variant(CNN)] * cnn))


def build_encoder(variant: Variant, width: int) -> EncoderModel:
    """Build the encoder of a variant from its config.

    variant: the encoder.
    width: width of its input and output.
    RETURNS: the model, from one array of token vectors per document to another.
    RAISES: ValueError if the encoder can't have this width.
    """
    try:
        model: EncoderModel = registry.resolve({"encode": variant.make_config(width)})["encode"]
    except ValueError as error:
        raise ValueError(f"Can't build the encoder {variant.name}. {error}") from error
    return model
