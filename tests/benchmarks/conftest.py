"""Pipelines and texts for the benchmarks."""

from pathlib import Path

import pytest
from toy_benchmarks import write_pipelines


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pipelines and texts, and return their folder."""
    return write_pipelines(tmp_path_factory.mktemp("pipelines"))
