"""The results of trainings on parts of a corpus: their files, their table and their plot."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..util.plots import new_figure, save_figure
from .ablation import write_table
from .results import OtherSettingsError, check_same

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = Path("docs/few-annotations.md")
PERCENTS = (1, 3, 10, 30, 100)
SCORES = {"pos_acc": "UPOS", "ents_f": "entity F"}
"""The scores and their names in tables and plots."""
_LEGEND_WIDTH = 2.2  # inches


@dataclass(frozen=True)
class Variant:
    """What a training knows besides its annotation.

    pretrained: whether the tok2vec is pretrained on the raw text.
    vectors: whether there are static vectors, which were trained on the raw text.
    teachers: number of pipelines of the recipe `accuracy`, trained on the same annotation, that annotate the raw text;
        with several, their probabilities are averaged. 0 for a training on the annotation alone.
    """

    pretrained: bool = False
    vectors: bool = False
    teachers: int = 0


VARIANTS = {
    "nothing": Variant(),
    "pretrained": Variant(pretrained=True),
    "own vectors": Variant(vectors=True),
    "pretrained, own vectors": Variant(pretrained=True, vectors=True),
    "self-trained": Variant(teachers=1),
    "ensemble-distilled": Variant(teachers=3),
    "all": Variant(pretrained=True, vectors=True, teachers=3),
}


@dataclass(frozen=True)
class Run:
    """A training of the experiment.

    variant: a key of `VARIANTS`.
    percent: the part of the training documents, 1 to 100.
    seed: the seed of the training, and of the choice of the documents.
    """

    variant: str
    percent: int
    seed: int

    @property
    def file_name(self) -> str:
        """The name of the file of its scores."""
        return f"{self.variant.replace(', ', '+').replace(' ', '-')}.{self.percent}.{self.seed}.json"


def get_results(name: str) -> Path:
    """Return the folder of the results of a corpus."""
    return Path("metrics") / f"few-annotations-{name}"


def read_result(path: Path) -> dict[str, Any]:
    """Read the stored result of a training.

    path: its file.
    RETURNS: the fields of its `Run`, and its `settings`, `versions` and `scores`.
    RAISES: OtherSettingsError if the file holds something else.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf8"))
        return {key: stored[key] for key in ("variant", "percent", "seed", "settings", "versions", "scores")}
    except (ValueError, KeyError, TypeError) as error:
        raise OtherSettingsError(f"{path} does not hold a result with its versions. Move or delete it.") from error


def check_all_same(path: Path, stored: dict[str, Any], expected: dict[str, Any]) -> None:
    """Check that a result has the expected settings and versions.

    path: its file, for the message.
    stored: the result of `read_result`.
    expected: the `settings` and `versions` to expect.
    RAISES: OtherSettingsError that lists the differences.
    """
    for kind in ("settings", "versions"):
        check_same(path, kind, stored[kind], expected[kind])


def read_results(name: str) -> dict[tuple[str, int], list[dict[str, float]]]:
    """Read the scores of all stored trainings.

    name: the name of the corpus.
    RETURNS: the scores of each seed, by variant and percent, in the order of `VARIANTS` and `PERCENTS`.
    RAISES: OtherSettingsError if two trainings differ in their settings or in the versions of the packages.
    """
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    first: dict[str, Any] = {}
    for path in sorted(get_results(name).glob("*.json")):
        stored = read_result(path)
        first = first or stored
        check_all_same(path, stored, first)
        found.setdefault((stored["variant"], stored["percent"]), []).append(stored["scores"])
    names = list(VARIANTS)
    return dict(sorted(found.items(), key=lambda item: (names.index(item[0][0]), item[0][1])))


def make_table(results: dict[tuple[str, int], list[dict[str, float]]]) -> str:
    """Make the Markdown tables: one for each score, with a row for each variant and a column for each part.

    results: the result of `read_results`.
    RETURNS: the tables, with means and standard deviations over seeds in per cent. The last row of each is the number
        of seeds.
    """
    percents = sorted({percent for _, percent in results})
    counts = [sorted({len(runs) for (_, own), runs in results.items() if own == percent}) for percent in percents]
    seeds = [str(n[0]) if len(n) == 1 else f"{n[0]} to {n[-1]}" for n in counts]
    blocks = []
    for score, title in SCORES.items():
        if not any(score in run for runs in results.values() for run in runs):
            continue
        lines = [f"| {title} | " + " | ".join(f"{percent} %" for percent in percents) + " |"]
        lines.append("|---" * (len(percents) + 1) + "|")
        for variant in dict.fromkeys(name for name, _ in results):
            cells = [_describe([run[score] for run in results.get((variant, percent), [])]) for percent in percents]
            lines.append(f"| {variant} | " + " | ".join(cells) + " |")
        lines.append("| number of seeds | " + " | ".join(seeds) + " |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def draw_curves(results: dict[tuple[str, int], list[dict[str, float]]]) -> Figure:
    """Draw the learning curves: a plot for each score, a line for each variant.

    results: the result of `read_results`, with at least one training.
    """
    scores = [score for score in SCORES if any(score in run for runs in results.values() for run in runs)]
    figure, plots = new_figure(len(scores), width=3.8 + _LEGEND_WIDTH / len(scores))
    percents = sorted({percent for _, percent in results})
    for axes, score in zip(plots, scores, strict=True):
        for variant in dict.fromkeys(name for name, _ in results):
            measured = [percent for percent in percents if (variant, percent) in results]
            values = [[100 * run[score] for run in results[variant, percent]] for percent in measured]
            axes.errorbar(
                measured,
                [statistics.mean(seeds) for seeds in values],
                [statistics.stdev(seeds) if len(seeds) > 1 else 0.0 for seeds in values],
                marker="o",
                markersize=4,
                capsize=3,
                label=variant if axes is plots[0] else None,
            )
        axes.set_xscale("log")
        axes.set_xticks(percents, labels=[f"{percent} %" for percent in percents])
        axes.minorticks_off()
        axes.set_xlabel("part of the annotated sentences")
        axes.set_ylabel(f"{SCORES[score]}, %")
    figure.legend(loc="outside right center")
    return figure


def write(name: str, page: Path = PAGE) -> None:
    """Write the table into the page, and the plot beside it.

    name: the name of the corpus, which is that of the table in the page.
    page: the page, which has a table of this name, as for `ablation.write_table`.
    RAISES: ValueError if there are no results, or if the page has no table of this name; OtherSettingsError if the
        results are of several settings or versions.
    """
    results = read_results(name)
    if not results:
        raise ValueError(f"There are no results in {get_results(name)}. Train first.")
    write_table(page, name, make_table(results))
    save_figure(draw_curves(results), page.parent / "images" / f"few-annotations-{name}.svg")


def _describe(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"
