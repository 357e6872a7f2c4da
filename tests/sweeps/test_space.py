"""The space of a sweep: what files say, and the values that are drawn."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.sweeps import Parameter, SpaceError, parse_space, read_space
from spacy_bilstm.sweeps.space import draw_values

SPACE = """
"training.dropout" = {uniform = [0.1, 0.5]}
training.seed = {randint = [0, 3]}

[training.optimizer.learn_rate]
initial_rate = {log_uniform = [0.001, 0.01]}

[components.tok2vec.model.encode]
width = {choice = [64, 128]}
"""
DISTRIBUTIONS = st.one_of(
    st.lists(st.integers(-9, 9), min_size=2, unique=True).map(lambda values: {"choice": values}),
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2, unique=True).map(lambda pair: {"uniform": sorted(pair)}),
    st.lists(st.floats(1e-9, 1e6), min_size=2, max_size=2, unique=True).map(lambda pair: {"log_uniform": sorted(pair)}),
    st.lists(st.integers(-9, 9), min_size=2, max_size=2, unique=True).map(lambda pair: {"randint": sorted(pair)}),
)


def test_paths_are_quoted_or_nested(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(SPACE)
    assert read_space(tmp_path / "space.toml") == [
        Parameter("training.dropout", "uniform", (0.1, 0.5)),
        Parameter("training.seed", "randint", (0, 3)),
        Parameter("training.optimizer.learn_rate.initial_rate", "log_uniform", (0.001, 0.01)),
        Parameter("components.tok2vec.model.encode.width", "choice", (64, 128)),
    ]


@given(DISTRIBUTIONS, st.integers(0, 99), st.integers(1, 99))
def test_values_are_in_their_range_and_depend_on_seed_and_number_only(
    distribution: dict[str, Any], seed: int, number: int
) -> None:
    space = parse_space({"a.b": distribution})
    value = draw_values(space, seed, number)["a.b"]
    ((kind, values),) = distribution.items()
    assert value in values if kind == "choice" else values[0] <= value <= values[1]
    assert draw_values(space, seed, number) == {"a.b": value}


def draw(distribution: dict[str, Any], n: int = 400) -> list[Any]:
    space = parse_space({"a": distribution})
    return [draw_values(space, 0, number)["a"] for number in range(1, n)]


def test_both_limits_of_randint_are_drawn() -> None:
    assert set(draw({"randint": [1, 3]})) == {1, 2, 3}


def test_half_of_log_uniform_values_are_below_the_geometric_mean() -> None:
    values = draw({"log_uniform": [0.0001, 1.0]})
    assert 0.4 < sum(value < math.sqrt(0.0001) for value in values) / len(values) < 0.6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"training.dropout" = {uniform = [0.5, 0.1]}', "training.dropout: uniform needs a lower limit below"),
        ('"training.dropout" = {uniform = [0.1]}', "training.dropout: uniform needs two numbers"),
        ('"training.dropout" = {uniform = 0.1}', "training.dropout: uniform needs a list"),
        ('"training.dropout" = {uniform = [0.1, nan]}', "training.dropout: uniform needs two numbers"),
        ('"training.dropout" = {log_uniform = [0, 0.1]}', "training.dropout: log_uniform needs limits above 0"),
        ('"training.seed" = {randint = [0, 1.5]}', "training.seed: randint needs two integers"),
        ('"training.seed" = {randint = [0, true]}', "training.seed: randint needs two integers"),
        ('"training.seed" = {choice = [1, 1]}', "training.seed: choice needs at least two values"),
        ('"training.seed" = {normal = [0, 1]}', "training.seed: 'normal' is not a distribution"),
        ('"training.seed" = {choice = [0, 1], uniform = [0, 1]}', "training.seed: 'choice, uniform' is not a dist"),
        ('"training.optimizer" = {choice = [{a = 1}, {a = 2}]}', "training.optimizer: choice has tables"),
        ('"" = {choice = [0, 1]}', "'' is not the path of a setting"),
        ('"training." = {choice = [0, 1]}', "'training.' is not the path of a setting"),
        ('"training.seed" = 1', "training.seed: 1 is not a distribution"),
        ('"training.seed" = {choice = [1, 2]}\ntraining.seed = {choice = [1, 2]}', "training.seed is there twice"),
        ("", "No setting varies"),
        ("training = \n", "line 1"),
    ],
)
def test_errors_name_the_file_and_the_setting(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "space.toml"
    path.write_text(line)
    with pytest.raises(SpaceError, match=message) as error:
        read_space(path)
    assert str(path) in str(error.value)
