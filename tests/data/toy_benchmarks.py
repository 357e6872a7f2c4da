"""Pipelines that are quick to benchmark, and results of benchmarks with made-up numbers."""

from pathlib import Path
from typing import Any

import spacy

from spacy_bilstm.benchmarks import Comparison
from spacy_bilstm.benchmarks.device import Usage
from spacy_bilstm.benchmarks.encoder import (
    BatchSettings,
    EncoderComparison,
    EncoderResult,
    EncoderRound,
    EncoderSettings,
)
from spacy_bilstm.benchmarks.pipelines import PipelineFacts
from spacy_bilstm.benchmarks.rounds import Quartiles
from spacy_bilstm.benchmarks.scaling import ScalingComparison, ScalingResult, ScalingSettings, make_workloads
from spacy_bilstm.benchmarks.speed import PassSpeed, SpeedComparison, SpeedResult, SpeedRound, SpeedSettings
from spacy_bilstm.benchmarks.training import TrainingComparison, TrainingResult, TrainingSettings
from spacy_bilstm.benchmarks.training_run import Epoch

MACHINE: dict[str, Any] = {"cpu": "toy", "cores": 2}
NAMES = ["runs/first/model-best", "runs/second/model-best"]
USAGE = Usage(seconds=0.5, peak_memory=300_000_000, peak_gpu_memory=None)
SPEED = Quartiles(900.0, 1000.0, 1234.0)


def write_pipelines(path: Path) -> Path:
    """Write the pipelines `first` and `second`, the pipeline `broken`, which fails when it runs, and `texts.txt`."""
    for name, pipe in {"first": "sentencizer", "second": "sentencizer", "broken": "tagger"}.items():
        nlp = spacy.blank("en")
        nlp.add_pipe(pipe)
        nlp.to_disk(path / name)
    (path / "texts.txt").write_text("She reads a book.\nHe doesn't.\n" * 20, encoding="utf8")
    return path


def make_speed(n_done: int = 2) -> SpeedComparison:
    """Make a result of `compare_speed` with two pipelines that wants two rounds."""
    settings = SpeedSettings("texts.txt", None, None, None, 10, 500, 600, 500, None, 2, 1, -1)
    facts = PipelineFacts("en", ["ner"], 6_000_000, 200_000_000)
    latencies = {"p50": 2.0, "p95": 3.0, "p99": 4.5}
    rounds = [SpeedRound(USAGE, USAGE, [0.002], USAGE)] * n_done
    passes = (
        PassSpeed(SPEED, 1.0),
        PassSpeed(Quartiles(1e3, 2e3, 3e3), 1.5),
        PassSpeed(Quartiles(300.0, 400.0, 500.0), 0.5),
    )
    results = [SpeedResult(name, facts, *passes, latencies, 300_000_000, None, rounds) for name in NAMES]
    return Comparison("speed", settings, MACHINE, results)


def make_scaling(n_done: int = 4, error: Any = None) -> ScalingComparison:
    """Make a result of `compare_scaling` with two pipelines that wants four workloads."""
    workloads = make_workloads([10, 100], [1, 16])
    results = [
        ScalingResult(name, workload, 5, 500, SPEED, 1.0, 300_000_000, None, [USAGE])
        for workload in workloads[:n_done]
        for name in NAMES
    ]
    settings = ScalingSettings("texts.txt", 500, 1, 1, -1)
    return ScalingComparison("scaling", settings, MACHINE, results, workloads, error)


def make_training(n_done: int = 2, n_words: tuple[int, int] = (500, 500)) -> TrainingComparison:
    """Make a result of `compare_training` with two configs that wants two epochs."""
    results = [
        TrainingResult(name, 200_000_000, SPEED, 1.0, [Epoch(USAGE, n_steps=3, n_words=n)] * n_done)
        for name, n in zip(NAMES, n_words, strict=True)
    ]
    return Comparison("training", TrainingSettings("corpus/train.spacy", None, 2, 1, -1), MACHINE, results)


def make_encoders(n_done: int = 2) -> EncoderComparison:
    """Make a result of `compare_encoders` with two batches and two encoders that wants two rounds."""
    batches = [BatchSettings("text", 6, 30, 90), BatchSettings("uniform", 3, 20, 60)]
    results = [
        EncoderResult(batch, name, 1000.0, 500.0, 1.0, 1.0, 0.25, 1e-6, [EncoderRound(0.1, 0.2)] * n_done)
        for batch in batches
        for name in ("ours", "theirs")
    ]
    return Comparison("encoder", EncoderSettings(16, 1, batches, 2, 1, 0), MACHINE | {"matmul_gflops": 56.0}, results)
