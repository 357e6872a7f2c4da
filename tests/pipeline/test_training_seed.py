"""Training with the same seed writes the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

from thinc.api import Config
from toy_pipelines import get_files, reduce_config


def start_training(config_path: Path, output: Path, seed: int) -> subprocess.Popen:
    """Start a training in another process, on one thread."""
    command = [sys.executable, "-m", "spacy", "train", str(config_path), "--output", str(output)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, f"--system.seed={seed}"], env=env, stdout=subprocess.DEVNULL)


def test_the_seed_determines_every_byte(config: Config, tmp_path: Path) -> None:
    """Two runs of `spacy train` with one seed write equal directories. Another seed makes other weights."""
    config = reduce_config(config, ["tok2vec", "tagger", "ner"])
    config["components"]["tok2vec"]["model"]["encode"] |= {"depth": 2, "dropout": 0.2}
    config["training"] |= {"max_steps": 6, "eval_frequency": 3}
    config.to_disk(tmp_path / "config.cfg")
    seeds = {"first": 1, "second": 1, "other": 2}
    trainings = [start_training(tmp_path / "config.cfg", tmp_path / name, seed) for name, seed in seeds.items()]
    assert [training.wait(timeout=120) for training in trainings] == [0, 0, 0]
    first, second, other = (get_files(tmp_path / name) for name in seeds)
    assert any(name.endswith("model") for name in first)
    assert first.keys() == second.keys() == other.keys()
    assert [name for name in first if first[name] != second[name]] == []
    weights = os.path.join("model-last", "tok2vec", "model")
    assert first[weights] != other[weights]
