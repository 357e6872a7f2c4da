"""A small sweep: its config and its space. Also a program that runs it in a process of its own, which tests kill."""

import signal
import sys
from pathlib import Path

from thinc.api import Config
from toy_training import make_our_config

from spacy_bilstm.sweeps import Parameter, SweepResult, parse_space, run_sweep

LEARN_RATE = "training.optimizer.learn_rate.initial_rate"
N_TRIALS = 4


def make_sweep_config(corpus: Path, **training: object) -> Config:
    """Make the config of a training with an evaluation in every other step."""
    config = make_our_config(corpus, **{"max_steps": 8, "eval_frequency": 2} | training)
    del config["training"]["before_update"]  # It is registered in the tests' process only.
    return config


def make_space() -> list[Parameter]:
    return parse_space({LEARN_RATE: {"log_uniform": [1e-5, 0.02]}, "training.seed": {"choice": [1, 2, 3]}})


def run(corpus: Path, directory: Path, workers: int = 1, n_trials: int = N_TRIALS) -> SweepResult:
    return run_sweep(
        make_sweep_config(corpus),
        make_space(),
        directory,
        n_trials=n_trials,
        workers=workers,
        grace_steps=2,
        reduction_factor=2,
        checkpoint_steps=1,
    )


if __name__ == "__main__":
    # Processes that a shell starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
