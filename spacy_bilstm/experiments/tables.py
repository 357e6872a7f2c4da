"""The tables of the comparisons. Summaries and prices come in, text for terminals and Markdown goes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wasabi import msg

from ..util.files import written_whole
from .price import Price
from .results import Spread, Summary


@dataclass(frozen=True)
class Table:
    """A table whose first column is text and whose others are numbers.

    header: names of the columns.
    rows: as many cells each.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def show(self) -> None:
        """Print the table."""
        aligns = ("l", *"r" * (len(self.header) - 1))
        msg.table(list(self.rows), header=tuple(self.header), divider=True, aligns=aligns)

    def write(self, path: Path) -> None:
        """Write the table in Markdown, whole or not at all."""
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        with written_whole(path) as draft:
            draft.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf8")


def make_summary_table(summaries: Sequence[Summary]) -> Table:
    """Give a row for each variant: its scores in per cent with their spread over seeds, and what they cost.

    summaries: at least one; all have the same scores.
    RETURNS: the table.
    """
    names = list(summaries[0].scores)
    costs = ("seeds", "training s", "train words/s", "predict words/s", "encoder weights")
    return Table(
        ("encoder", *names, *costs),
        [
            (
                summary.variant.name,
                *(_per_cent(summary.scores[name]) for name in names),
                str(summary.n_seeds),
                f"{summary.train_seconds.mean:.1f}",
                _count(summary.train_words_per_second.mean),
                _count(summary.predict_words_per_second.mean),
                _count(summary.parameters),
            )
            for summary in summaries
        ],
    )


def make_price_table(prices: Sequence[Price]) -> Table:
    """Give a row for each encoder: its speeds, and its times in relation to one direction.

    prices: what was measured.
    RETURNS: the table.
    """
    header = ("encoder", "predict words/s", "time / one direction", "train words/s", "time / one direction", "weights")
    return Table(
        header,
        [
            (
                price.variant.name,
                _count(price.predict_words_per_second),
                _ratio(price.predict_ratio),
                _count(price.train_words_per_second),
                _ratio(price.train_ratio),
                _count(price.parameters),
            )
            for price in prices
        ],
    )


def _per_cent(score: Spread) -> str:
    spread = "" if score.sd is None else f" ± {100 * score.sd:.1f}"
    return f"{100 * score.mean:.1f}{spread}"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
