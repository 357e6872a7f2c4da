"""The tables of the experiments, as text and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .price import PriceComparison
from .results import Comparison, Spread


@dataclass(frozen=True)
class Table:
    """A table with names in the first column and numbers in all others.

    header: names of the columns.
    rows: the rows, each with as many cells.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def make_comparison_table(comparison: Comparison) -> Table:
    """Make a table of the scores in per cent with their standard deviation over seeds, the speeds and the sizes.

    comparison: the results, with at least one run.
    RETURNS: the table, a row for each variant that has runs.
    """
    summaries = comparison.summaries
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


def make_next_word_table(comparison: Comparison) -> Table:
    """Make a table of the accuracy in per cent and the perplexity of language models at each distance.

    comparison: the results of `compare_next_word`, with at least one run.
    RETURNS: the table, two rows for each encoder that has runs.
    """
    summaries = comparison.summaries
    names = [name.removeprefix("accuracy ") for name in summaries[0].scores if name.startswith("accuracy ")]
    return Table(
        ("encoder", "measure", *names),
        [
            (summary.variant.name, measure, *(show(summary.scores[f"{measure} {name}"]) for name in names))
            for summary in summaries
            for measure, show in (("accuracy", _per_cent), ("perplexity", _decimal))
        ],
    )


def make_price_table(comparison: PriceComparison) -> Table:
    """Make a table of the speeds, of the times relative to one direction, and of the sizes.

    comparison: the prices.
    RETURNS: the table, a row for each encoder.
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
            for price in comparison.prices
        ],
    )


def _per_cent(score: Spread) -> str:
    spread = "" if score.sd is None else f" ± {100 * score.sd:.1f}"
    return f"{100 * score.mean:.1f}{spread}"


def _decimal(score: Spread) -> str:
    return f"{score.mean:.1f}" + ("" if score.sd is None else f" ± {score.sd:.1f}")


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
