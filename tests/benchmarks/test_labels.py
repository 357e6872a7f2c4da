"""Names and numbers in tables and plots."""

import pytest

from spacy_bilstm.benchmarks.labels import format_count, shorten_names


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["runs/cnn/model-best", "runs/lstm/model-best"], ["cnn", "lstm"]),
        (["configs/a.cfg", "configs/b.cfg"], ["a.cfg", "b.cfg"]),
        (["runs/cnn/model-best", "en_core_web_sm"], ["runs/cnn/model-best", "en_core_web_sm"]),
        (["a/b", "a/b"], ["b", "b"]),
        (["a/b"], ["a/b"]),
    ],
)
def test_shared_folders_are_removed_from_names(names: list[str], short: list[str]) -> None:
    assert shorten_names(names) == short


@pytest.mark.parametrize(("number", "text"), [(12345.6, "12,346"), (99.96, "100.0"), (1.26, "1.3")])
def test_numbers_below_100_have_a_decimal(number: float, text: str) -> None:
    assert format_count(number) == text
