"""The tests of this folder share their blank pipelines."""

from collections.abc import Iterator

import pytest
from blank_pipelines import cached_blank_pipelines


@pytest.fixture(scope="module", autouse=True)
def _cached_blank_pipelines() -> Iterator[None]:
    with cached_blank_pipelines():
        yield
