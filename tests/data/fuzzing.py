"""Numbered random cases: a failure names its case and the command that runs this case alone."""

import os
import random
from collections.abc import Callable, Iterable

N_BLOCKS = 20
"""The number of parts of each long test."""


def run_cases(kind: str, check: Callable[[random.Random], None], numbers: Iterable[int]) -> None:
    """Run numbered cases, or only the one in the environment variable FUZZ_CASE.

    kind: the end of the name of the test's file.
    check: draws a case from a generator and checks it. The kind and the number of the case determine the generator.
    numbers: the numbers of the cases.
    RAISES: AssertionError that names the first case that fails.
    """
    alone = os.environ.get("FUZZ_CASE")
    for number in [int(alone)] if alone else numbers:
        try:
            check(random.Random(f"{kind} {number}"))
        except Exception as error:
            raise AssertionError(
                f"case {number} of {kind} failed with {type(error).__name__}: {error}\nRun it alone: "
                f"FUZZ_CASE={number} python -m pytest tests/fuzz/test_{kind}.py -k few"
            ) from error


def get_block(block: int, n_cases: int) -> range:
    """Return the numbers of the cases in a part of a long test. The short tests have the first ones of them.

    block: the part, 0 <= block < N_BLOCKS.
    n_cases: number of cases of the whole test.
    """
    return range(block * n_cases // N_BLOCKS, (block + 1) * n_cases // N_BLOCKS)
