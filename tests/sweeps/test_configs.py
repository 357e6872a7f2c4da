"""The configs of trials: values that are set, and spaces that do not fit."""

from pathlib import Path

import pytest
from spacy.util import load_config
from thinc.api import Config

from spacy_bilstm.recipes import make_config
from spacy_bilstm.sweeps import SpaceError, parse_space
from spacy_bilstm.sweeps.configs import check_space, complete_config, separate_log, set_values, weight_metric

WIDTH = "components.tok2vec.model.encode.width"


@pytest.fixture(scope="module")
def base() -> Config:
    return make_config("en", ["tagger", "ner"])


@pytest.fixture(scope="module")
def complete(base: Config) -> Config:
    return complete_config(base)


def test_variables_follow_the_values(base: Config, tmp_path: Path) -> None:
    """The listeners refer to the encoder's width."""
    set_values(base, {WIDTH: 32}).to_disk(tmp_path / "config.cfg", interpolate=False)
    config = load_config(tmp_path / "config.cfg", interpolate=True)
    assert config["components"]["ner"]["model"]["tok2vec"]["width"] == 32
    assert config["components"]["tok2vec"]["model"]["encode"]["width"] == 32
    assert base.interpolate()["components"]["ner"]["model"]["tok2vec"]["width"] != 32


def test_a_default_that_the_config_does_not_name_can_vary(base: Config, complete: Config) -> None:
    partial = base.copy()
    del partial["training"]["optimizer"]
    check_space(parse_space({"training.optimizer.L2": {"uniform": [0.0, 0.1]}}), complete)
    trial = complete_config(set_values(partial, {"training.optimizer.L2": 0.05}))
    assert trial["training"]["optimizer"]["L2"] == 0.05
    assert trial["training"]["optimizer"]["@optimizers"] == "Adam.v1"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("training.dropuot", r"The section \[training\] of the config has no setting 'dropuot'.* dropout"),
        ("components.parser.model.width", r"The config has no section \[components.parser\]"),
        ("training.optimizer", "training.optimizer is a section"),
        ("training.dropout.rate", r"The config has no section \[training.dropout\]"),
    ],
)
def test_a_path_that_is_not_in_the_config_is_refused_by_name(complete: Config, path: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message) as error:
        check_space(parse_space({path: {"choice": [1, 2]}}), complete)
    assert path in str(error.value)


def test_a_path_inside_a_variable_is_refused(base: Config) -> None:
    config = set_values(base, {"components.ner.model": "${components.tagger.model}"})
    with pytest.raises(SpaceError, match="Name the path that this variable refers to"):
        set_values(config, {"components.ner.model.nO": 3})


def test_the_metric_is_the_whole_score(base: Config, complete: Config) -> None:
    weights = complete_config(weight_metric(base, complete, "ents_f"))["training"]["score_weights"]
    assert {name: weight for name, weight in weights.items() if weight} == {"ents_f": 1.0}
    assert weights["tag_acc"] == 0.0
    with pytest.raises(SpaceError, match=r"no metric 'ents'\. It has: .*ents_f"):
        weight_metric(base, complete, "ents")


def test_each_trial_has_its_own_log(base: Config, tmp_path: Path) -> None:
    assert separate_log(base, tmp_path) is base
    logged = set_values(base, {"training.logger.output_file": "logs/log.jsonl"})
    separated = separate_log(logged, tmp_path)
    assert separated["training"]["logger"]["output_file"] == str(tmp_path / "log.jsonl")
