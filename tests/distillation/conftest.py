"""Two trained teachers, and texts."""

from pathlib import Path

import pytest
from toy_teachers import make_teacher, write_texts


@pytest.fixture(scope="session")
def teacher_paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the directories of two teachers, which were trained differently."""
    folder = tmp_path_factory.mktemp("teachers")
    for seed, epochs in enumerate((6, 3)):
        make_teacher(seed, epochs).to_disk(folder / str(seed))
    return [folder / "0", folder / "1"]


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of texts."""
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.txt")
