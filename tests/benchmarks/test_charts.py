"""The plots of the benchmarks."""

from typing import Any

import pytest
from matplotlib.figure import Figure
from toy_benchmarks import make_encoders, make_scaling, make_speed, make_training

from spacy_bilstm.benchmarks import draw_encoders, draw_scaling, draw_speed, draw_training


def get_bar_labels(figure: Figure) -> list[str]:
    """Return the labels of the bars in the first plot, from top to bottom."""
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def get_legend(figure: Figure, plot: int) -> list[str]:
    legend: Any = figure.axes[plot].get_legend()
    return [text.get_text() for text in legend.get_texts()]


def test_speed_has_a_bar_for_each_pipeline() -> None:
    figure = draw_speed(make_speed())
    assert get_bar_labels(figure) == ["first", "second"]
    assert [len(axes.patches) for axes in figure.axes] == [2, 0, 2]
    assert get_legend(figure, 0) == ["repeated", "cold start"]
    assert get_legend(figure, 1) == ["p50", "p95", "p99"]


def test_scaling_has_a_line_for_each_pipeline() -> None:
    figure = draw_scaling(make_scaling())
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    assert [list(axes.lines[0].get_xdata()) for axes in figure.axes] == [[10, 100], [1, 16], [10, 100]]
    assert get_legend(figure, 2) == ["first", "second"]


def test_training_has_a_bar_and_a_line_for_each_config() -> None:
    figure = draw_training(make_training())
    assert get_bar_labels(figure) == ["first", "second"]
    assert get_legend(figure, 1) == ["first", "second"]


def test_encoders_have_a_bar_for_each_batch_and_encoder() -> None:
    figure = draw_encoders(make_encoders())
    names = ["ours\ntext lengths", "theirs\ntext lengths", "ours\nuniform lengths", "theirs\nuniform lengths"]
    assert get_bar_labels(figure) == names
    assert [len(axes.patches) for axes in figure.axes] == [4, 4, 4]


@pytest.mark.parametrize("n_done", [1, 3])
def test_scaling_is_drawn_if_it_ended_early(n_done: int) -> None:
    assert len(draw_scaling(make_scaling(n_done)).axes) == 3
