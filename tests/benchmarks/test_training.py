"""The speed and memory of training."""

from itertools import chain
from pathlib import Path

import pytest
from thinc.api import Config

from spacy_bilstm.benchmarks import compare_training
from spacy_bilstm.benchmarks.training import TrainingComparison

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def comparison(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingComparison:
    """Compare a config with small batches to one with large batches."""
    path = tmp_path_factory.mktemp("configs")
    for name, size in {"small": 50, "large": 100_000}.items():
        config = Config().from_disk(PROJECT / "configs" / "cnn.cfg", interpolate=False)
        config["training"]["batcher"]["size"] = size
        config.to_disk(path / f"{name}.cfg")
    configs = [path / "small.cfg", path / "large.cfg"]
    return compare_training(configs, corpus / "train.spacy", epochs=3, limit_words=120)


def test_each_config_trains_with_its_own_batches(comparison: TrainingComparison) -> None:
    small, large = comparison.results
    assert [epoch.n_steps for epoch in large.epochs] == [1, 1, 1]
    assert all(epoch.n_steps > 1 for epoch in small.epochs)


def test_all_configs_train_on_the_same_words(comparison: TrainingComparison) -> None:
    epochs = chain.from_iterable(result.epochs for result in comparison.results)
    assert len({epoch.n_words for epoch in epochs}) == 1


def test_peak_memory_is_measured_after_each_epoch(comparison: TrainingComparison) -> None:
    small = comparison.results[0]
    peaks = [small.initial_memory, *(epoch.usage.peak_memory for epoch in small.epochs)]
    assert peaks == sorted(peaks)


def test_the_first_epoch_is_left_out_of_the_speed(comparison: TrainingComparison) -> None:
    for result in comparison.results:
        second, third = (epoch.n_words / epoch.usage.seconds for epoch in result.epochs[1:])
        assert result.words_per_second.median == pytest.approx((second + third) / 2)
