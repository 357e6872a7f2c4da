"""Fixtures that tests share: a small corpus, spaCy's command line, and a config and a pipeline made with it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import spacy
import torch
from spacy.cli._util import app
from spacy.language import Language
from spacy.util import registry
from thinc.api import Config, fix_random_seed
from toy_corpus import write_docs
from toy_pipelines import BILSTM, EMBED, LISTENER, MODELS
from typer.testing import CliRunner, Result

PIPES = ["tagger", "morphologizer", "parser", "ner", "spancat", "textcat_multilabel"]


# A test's time depends on what else the machine does.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Make torch use one thread, here and in programs that tests start. It is fastest for small widths."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let tests interrupt the programs that they start, even if a shell started pytest in the background.

    Such a shell ignores SIGINT, and so would all programs that are started from here.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Make the result of a test independent of the tests before it."""
    fix_random_seed(0)


@pytest.fixture(scope="session")
def run_spacy() -> Callable[..., Result]:
    """Return a function that runs a command of spaCy and checks its exit code."""
    registry.cli.get_all()  # Adds `spacy bilstm`, as the command `spacy` does.

    def run(*args: Any, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        if isinstance(result.exception, Exception) and exit_code == 0:
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result

    return run


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with train.spacy, dev.spacy, and many.spacy, which is as large as `debug data` requires."""
    path = tmp_path_factory.mktemp("corpus")
    for seed, (name, n) in enumerate({"train": 32, "dev": 12, "many": 120}.items()):
        write_docs(path / f"{name}.spacy", n, seed)
    return path


@pytest.fixture(scope="session")
def config_path(tmp_path_factory: pytest.TempPathFactory, corpus: Path, run_spacy: Callable[..., Result]) -> Path:
    """Return the path of a config from `init config` with our encoder, completed by `init fill-config`."""
    path = tmp_path_factory.mktemp("config")
    run_spacy("init", "config", path / "stock.cfg", "--lang", "en", "--pipeline", ",".join(PIPES))
    config = Config().from_disk(path / "stock.cfg", interpolate=False)
    config["paths"] |= {"train": str(corpus / "train.spacy"), "dev": str(corpus / "dev.spacy")}
    config["components"]["tok2vec"]["model"]["encode"] = BILSTM
    config["components"]["tok2vec"]["model"]["embed"]["rows"] = EMBED["rows"]
    config["components"]["textcat_multilabel"]["model"] = MODELS["textcat_multilabel"] | {"tok2vec": LISTENER}
    config["components"]["parser"]["min_action_freq"] = 1
    config["training"] |= {"max_epochs": 13, "eval_frequency": 25}
    config["training"]["optimizer"]["learn_rate"] = 0.01
    config.to_disk(path / "partial.cfg")
    run_spacy("init", "fill-config", path / "partial.cfg", path / "config.cfg")
    return path / "config.cfg"


@pytest.fixture
def config(config_path: Path) -> Config:
    """Return a copy of that config, without interpolating its variables."""
    return Config().from_disk(config_path, interpolate=False)


@pytest.fixture(scope="session")
def trained_path(tmp_path_factory: pytest.TempPathFactory, config_path: Path, run_spacy: Callable[..., Result]) -> Path:
    """Return the directory of a pipeline that `train` trained with that config."""
    path = tmp_path_factory.mktemp("trained")
    run_spacy("train", config_path, "--output", path)
    return path / "model-best"


@pytest.fixture
def trained(trained_path: Path) -> Language:
    """Return the trained pipeline, newly loaded."""
    return spacy.load(trained_path)
