"""Figures and their files."""

from pathlib import Path

import pytest

from spacy_bilstm.util.plots import PlotsMissingError, check_plot_path, new_figure, save_figure


@pytest.mark.parametrize("name", ["plot.svg", "plot.PNG"])
def test_svg_and_png_are_accepted(name: str) -> None:
    check_plot_path(Path(name))


def test_another_suffix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Can't write a plot to 'plot\.gif'\. End its name with \.svg or \.png\."):
        check_plot_path(Path("plot.gif"))


def test_missing_matplotlib_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PlotsMissingError, match=r"python -m pip install 'spacy-bilstm\[plots\]'"):
        check_plot_path(Path("plot.svg"))


def test_a_figure_has_plots_side_by_side_below_a_title() -> None:
    figure, plots = new_figure(3, width=2.0, height=1.5, title="Speed")
    assert len(plots) == 3
    assert tuple(figure.get_size_inches()) == (6.0, 1.5)
    assert figure.get_suptitle() == "Speed"


def test_the_same_plot_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.svg", "second.svg"):
        figure, (axes,) = new_figure()
        axes.plot([1, 2], [3, 4])
        save_figure(figure, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_png_is_written(tmp_path: Path) -> None:
    save_figure(new_figure()[0], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
