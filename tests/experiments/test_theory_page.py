"""Test how the theory page is updated."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from spacy_bilstm.experiments.theory_page import BLOCK, update_page

PAGE = """<!-- compare: a -->
```console
python -m spacy bilstm compare merge \\
    --distance 2
```

<!-- table -->

old a

<!-- end table -->

<!-- compare: b -->
```console
python -m spacy bilstm compare price
```

<!-- table -->

old b

<!-- end table -->
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with two commands."""
    path = tmp_path / "theory.md"
    path.write_text(PAGE, encoding="utf8")
    return path


def test_a_command_runs_and_its_table_is_replaced(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: list[str], **kwargs: Any) -> None:
        commands.append(command[1:-1])
        Path(command[-1]).write_text("new a\n", encoding="utf8")

    monkeypatch.setattr(subprocess, "run", run)
    update_page(page, ["a"])
    assert commands == [["-m", "spacy", "bilstm", "compare", "merge", "--distance", "2", "--table"]]
    assert page.read_text(encoding="utf8") == PAGE.replace("old a", "new a")


def test_an_unknown_name_is_an_error(page: Path) -> None:
    with pytest.raises(ValueError, match=r"no command 'c'\. Choose from: a, b"):
        update_page(page, ["c"])


def test_the_theory_page_has_its_commands() -> None:
    path = Path(__file__).parents[2] / "docs" / "theory.md"
    names = [block["name"] for block in BLOCK.finditer(path.read_text(encoding="utf8"))]
    probes = ["long-gap", "curriculum", "next-word", "next-word-raw", "future-context", "merge", "merge-depth"]
    assert names == [*probes, "price", "corpus", "corpus-low-dropout"]
