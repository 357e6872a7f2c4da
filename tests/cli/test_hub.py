"""The command `spacy bilstm hub`: it builds a folder and says how to upload it, or writes nothing."""

from pathlib import Path
from typing import Any

import pytest
import srsly
from typer.testing import CliRunner

from spacy_bilstm.cli import app


def run(*args: Any, exit_code: int = 0) -> str:
    """Run `hub`. RETURNS: what it printed, in one line."""
    result = CliRunner().invoke(app, ["hub", *map(str, args)])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return " ".join(result.output.split())


def test_the_folder_is_built_and_can_be_uploaded(trained_path: Path, tmp_path: Path) -> None:
    srsly.write_json(tmp_path / "meta.json", {"name": "toys", "license": "MIT"})
    output = run(trained_path, "ann/toys", tmp_path / "hub", "--meta", tmp_path / "meta.json")
    assert "meta.json has no description, author." in output
    assert "hf upload ann/toys" in output
    card = (tmp_path / "hub" / "README.md").read_text(encoding="utf8")
    assert "license: mit" in card
    assert "# en_toys" in card


def test_a_name_that_the_hub_refuses_writes_nothing(trained_path: Path, tmp_path: Path) -> None:
    output = run(trained_path, "toys", tmp_path / "hub", exit_code=1)
    assert "Nothing was written." in output
    assert "Give OWNER/NAME" in output
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(("content", "message"), [("{", "is not JSON"), ("", "is not JSON"), ("[1]", "a JSON object")])
def test_a_file_that_is_no_meta_writes_nothing(trained_path: Path, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "fields.json").write_text(content, encoding="utf8")
    output = run(trained_path, "ann/toys", tmp_path / "hub", "--meta", tmp_path / "fields.json", exit_code=1)
    assert "fields.json" in output
    assert message in output
    assert not (tmp_path / "hub").exists()
