"""Training with the same seed writes the same bytes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from thinc.api import Config
from toy_pipelines import get_files, reduce_config
from typer.testing import Result


def test_the_seed_determines_every_byte(config: Config, tmp_path: Path, run_spacy: Callable[..., Result]) -> None:
    """`spacy train` with one seed writes equal directories in two processes. Another seed makes other weights."""
    config = reduce_config(config, ["tok2vec", "tagger", "ner"])
    config["components"]["tok2vec"]["model"]["encode"] |= {"depth": 2, "dropout": 0.2}
    config["training"] |= {"max_steps": 6, "eval_frequency": 3}
    config.to_disk(tmp_path / "config.cfg")

    def make_arguments(name: str, seed: int) -> list[str]:
        return ["train", str(tmp_path / "config.cfg"), "--output", str(tmp_path / name), f"--system.seed={seed}"]

    # The tests run on one thread.
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "spacy", *make_arguments("first", 1)]
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True, timeout=120)
    run_spacy(*make_arguments("second", 1))
    run_spacy(*make_arguments("other", 2))
    first, second, other = (get_files(tmp_path / name) for name in ("first", "second", "other"))
    assert any(name.endswith("model") for name in first)
    assert first.keys() == second.keys() == other.keys()
    assert [name for name in first if first[name] != second[name]] == []
    weights = os.path.join("model-last", "tok2vec", "model")
    assert first[weights] != other[weights]
