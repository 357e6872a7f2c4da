"""Time each stage of pipelines on one stream of texts: the tokenizer, then each component.

python -m spacy_bilstm.experiments.stages cnn/model-best ours/model-best --warm-up train.spacy --texts dev.spacy
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import process_time

import spacy
import torch
from spacy.language import Language

from ..benchmarks.texts import read_texts
from ..distillation.components import run_pipe
from .tables import Table

TOKENIZER, ALL, RATIO = "tokenizer", "all", "speed, relative to the first"


def time_stages(pipelines: Sequence[str | Path], warm_up: Sequence[str], texts: Sequence[str], rounds: int) -> Table:
    """Time each stage of pipelines that take turns. In each round, they are loaded and warm up anew.

    pipelines: names or paths of pipelines.
    warm_up: texts to warm up on.
    texts: other texts, which are timed.
    rounds: number of rounds, >= 1.
    RETURNS: the table, medians of the CPU time in microseconds per token, a row for each pipeline.
    """
    times: dict[str, list[dict[str, float]]] = {str(name): [] for name in pipelines}
    for _ in range(rounds):
        for name, of_pipeline in times.items():
            nlp = spacy.load(name)
            for _ in nlp.pipe(warm_up):
                pass
            gc.collect()
            of_pipeline.append(_time_pipeline(nlp, texts))
    stages = list(dict.fromkeys(stage for rounds_ in times.values() for stage in rounds_[0] if stage != ALL))
    first = next(iter(times.values()))
    rows = []
    for name, of_pipeline in times.items():
        medians = [median(one.get(stage, 0.0) for one in of_pipeline) for stage in (*stages, ALL)]
        ratio = median(other[ALL] / own[ALL] for other, own in zip(first, of_pipeline, strict=True))
        rows.append((name, *(f"{1e6 * value:.2f}" for value in medians), f"{ratio:.2f}"))
    return Table(("pipeline", *stages, ALL, RATIO), rows)


def _time_pipeline(nlp: Language, texts: Sequence[str]) -> dict[str, float]:
    """Return the seconds per token of each stage."""
    times = dict.fromkeys((TOKENIZER, *nlp.pipe_names), 0.0)
    n_tokens = 0
    for start in range(0, len(texts), nlp.batch_size):
        before = process_time()
        docs = [nlp.make_doc(text) for text in texts[start : start + nlp.batch_size]]
        times[TOKENIZER] += process_time() - before
        n_tokens += sum(map(len, docs))
        for name, pipe in nlp.pipeline:
            before = process_time()
            docs = run_pipe(pipe, docs)
            times[name] += process_time() - before
    times[ALL] = sum(times.values())
    return {stage: seconds / max(n_tokens, 1) for stage, seconds in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipelines", nargs="+", help="names or paths of pipelines")
    parser.add_argument("--warm-up", type=Path, required=True, help="texts to warm up on: .txt, .jsonl or .spacy")
    parser.add_argument("--texts", type=Path, required=True, help="other texts of the same kind")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    texts = read_texts(arguments.texts)
    print(time_stages(arguments.pipelines, read_texts(arguments.warm_up), texts, arguments.rounds).to_markdown())


if __name__ == "__main__":
    main()
