"""The speed of encoders side by side."""

import pytest
import torch

from spacy_bilstm.benchmarks import compare_encoders
from spacy_bilstm.benchmarks.encoder import EncoderComparison, EncoderResult


@pytest.fixture(scope="module")
def comparison() -> EncoderComparison:
    return compare_encoders(width=16, n_docs=6, max_length=30, rounds=2)


@pytest.fixture(scope="module", params=["text", "uniform"])
def results(request: pytest.FixtureRequest, comparison: EncoderComparison) -> dict[str, EncoderResult]:
    """Return the results with the batch of each distribution of lengths."""
    return {result.name: result for result in comparison.results if result.batch.lengths == request.param}


def test_batches_have_lengths_as_in_text_and_uniform_lengths() -> None:
    text, uniform = compare_encoders(width=2, rounds=1).settings.batches
    assert (text.n_docs, text.max_length) == (256, 120)
    assert 12 * 256 < text.n_words < 17 * 256
    assert (uniform.n_docs, uniform.max_length) == (64, 40)
    assert 17 * 64 < uniform.n_words < 24 * 64


def test_our_encoder_has_ratio_1(results: dict[str, EncoderResult]) -> None:
    ours = results["spacy-bilstm.BiLSTMEncoder.v1"]
    assert ours.predict_ratio == ours.train_ratio == 1.0


def test_only_our_encoder_does_not_depend_on_the_batch(results: dict[str, EncoderResult]) -> None:
    ours, theirs = results["spacy-bilstm.BiLSTMEncoder.v1"], results["spacy.TorchBiLSTMEncoder.v1"]
    assert ours.batch_dependence < 1e-5 < theirs.batch_dependence


def test_every_encoder_has_a_speed_and_a_share(results: dict[str, EncoderResult]) -> None:
    assert all(result.predict_words_per_second > 0 for result in results.values())
    assert all(result.train_words_per_second > 0 for result in results.values())
    assert all(result.matmul_share > 0 for result in results.values())
    assert all(len(result.rounds) == 2 for result in results.values())


def test_the_matrix_products_speed_is_a_fact_of_the_machine(comparison: EncoderComparison) -> None:
    assert comparison.machine["matmul_gflops"] > 0


def test_speeds_are_of_the_batchs_own_words(results: dict[str, EncoderResult]) -> None:
    for result in results.values():
        seconds = sorted(turn.predict for turn in result.rounds)
        speeds = [result.batch.n_words / turn for turn in seconds]
        assert speeds[1] <= result.predict_words_per_second <= speeds[0]


def test_an_unknown_distribution_of_lengths_is_an_error() -> None:
    with pytest.raises(ValueError, match="'normal' is no distribution of lengths"):
        compare_encoders(lengths=["normal"])


def test_the_number_of_threads_is_restored() -> None:
    before = torch.get_num_threads()
    compare_encoders(width=2, lengths=["uniform"], n_docs=1, max_length=1, rounds=1, threads=before + 1)
    assert torch.get_num_threads() == before
