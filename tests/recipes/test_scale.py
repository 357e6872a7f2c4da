"""Recipes for more words: larger tables and longer training."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.recipes import Recipe, make_config
from spacy_bilstm.recipes.scale import RECIPE_WORDS, scale_settings

CONFIGS: dict[str, Any] = {recipe.value: make_config("en", ["tagger", "ner"], recipe.value) for recipe in Recipe}


def get_setting(config: dict[str, Any], name: str) -> Any:
    value: Any = config
    for key in name.split("."):
        value = value[key]
    return value


@pytest.mark.parametrize("recipe", CONFIGS)
@given(n_words=st.integers(1, RECIPE_WORDS))
def test_up_to_200_000_words_have_the_recipe_itself(recipe: str, n_words: int) -> None:
    for name, value in scale_settings(CONFIGS[recipe], n_words).items():
        assert value == get_setting(CONFIGS[recipe], name)


@pytest.mark.parametrize("recipe", CONFIGS)
@given(words=st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)).map(sorted))
def test_more_words_never_get_smaller_tables_or_fewer_steps(recipe: str, words: list[int]) -> None:
    less, more = (scale_settings(CONFIGS[recipe], n_words) for n_words in words)
    assert less.keys() == more.keys()
    for name, value in less.items():
        numbers = zip(value, more[name], strict=True) if isinstance(value, list) else [(value, more[name])]
        assert all(one <= other for one, other in numbers)


@pytest.mark.parametrize(
    ("n_words", "rows", "steps"), [(5_000_000, [25_000, 1000, 12_500, 12_500], 10_000), (50_000_000, None, 31_623)]
)
def test_a_config_is_complete_and_its_schedule_ends_with_the_training(
    n_words: int, rows: list[int] | None, steps: int
) -> None:
    config = make_config("en", ["tagger"], n_words=n_words)
    assert rows is None or config["components"]["tok2vec"]["model"]["embed"]["rows"] == rows
    training = config["training"]
    assert training["max_steps"] == training["optimizer"]["learn_rate"]["total_steps"] == steps
    assert training["eval_frequency"] * 10 == pytest.approx(steps, rel=0.01)
    assert training["optimizer"]["learn_rate"]["warmup_steps"] == pytest.approx(steps / 10, rel=0.01)


def test_the_words_do_not_decide_the_speed() -> None:
    small, large = (make_config("en", ["tagger"], n_words=n) for n in (1, 10**8))
    small["components"]["tok2vec"]["model"]["embed"]["rows"] = large["components"]["tok2vec"]["model"]["embed"]["rows"]
    assert small["components"] == large["components"]
