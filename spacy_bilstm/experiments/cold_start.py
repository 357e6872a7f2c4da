"""Measure the stages of a new process until it has annotated a text, with and without compiled bytecode.

python -m spacy_bilstm.experiments.cold_start PIPELINE
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from statistics import median

from .tables import Table

STAGES = ("import torch", "import spacy", "import spacy_bilstm", "spacy.load", "first text", "second text")
_TEXT = "Marta lives in Leeds."
# Prints the CPU seconds of each stage, and the names of the modules that are imported in the end.
_PROGRAM = """
import importlib, json, sys, time
model, text, modules, excluded = json.loads(sys.argv[1])
times = [time.process_time()]
import torch
times.append(time.process_time())
import spacy
times.append(time.process_time())
for name in modules:
    importlib.import_module(name)
times.append(time.process_time())
nlp = spacy.load(model, exclude=excluded)
times.append(time.process_time())
nlp(text)
times.append(time.process_time())
nlp(text)
times.append(time.process_time())
json.dump([[after - before for before, after in zip(times, times[1:])], sorted(sys.modules)], sys.stdout)
"""


def measure_stages(model: str, rounds: int = 5, exclude: Sequence[str] = ()) -> Table:
    """Measure the CPU time of each stage, with and without Python's compiled bytecode, in turns.

    model: path or name of the pipeline.
    rounds: number of rounds of which the median is taken, >= 1. One more comes first and does not count.
    exclude: names of components not to load.
    RETURNS: the table.
    """
    modules = [name for name in _run(model, (), exclude, {})[1] if name.split(".")[0] == "spacy_bilstm"]
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as empty:
        # The first round fills the cache. Without it, the program would depend on who has compiled what before.
        compiled = {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        plain = {"PYTHONPYCACHEPREFIX": empty, "PYTHONDONTWRITEBYTECODE": "1"}
        results = []
        for _ in range(rounds + 1):
            pair = (_run(model, modules, exclude, setting)[0] for setting in (compiled, plain))
            results.append([[*seconds, sum(seconds)] for seconds in pair])
    rows = [
        (stage, *(f"{median(result[k][i] for result in results[1:]):.3f}" for k in (0, 1)))
        for i, stage in enumerate((*STAGES, "sum"))
    ]
    return Table(("stage", "CPU s", "without bytecode"), rows)


def _run(
    model: str, modules: Sequence[str], exclude: Sequence[str], settings: dict[str, str]
) -> tuple[list[float], list[str]]:
    """Run all stages in a new process. RETURNS: the CPU seconds of each, and the names of the imported modules."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **settings}
    argument = json.dumps([model, _TEXT, list(modules), list(exclude)])
    command = [sys.executable, "-c", _PROGRAM, argument]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    seconds, names = json.loads(output)
    return seconds, names


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--exclude", nargs="*", default=[], help="components not to load")
    options = parser.parse_args(None if arguments is None else list(arguments))
    print(measure_stages(options.model, options.rounds, options.exclude).to_markdown(), end="")


if __name__ == "__main__":
    main()
