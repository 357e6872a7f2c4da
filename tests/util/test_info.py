"""The facts of a bug report."""

from importlib.metadata import version
from pathlib import Path

import pytest
import srsly
import torch

from spacy_bilstm.util.info import collect_info


def test_versions_of_this_package_and_of_those_it_depends_on_are_there() -> None:
    versions = collect_info()["versions"]
    assert {"python", "spacy-bilstm", "spacy", "thinc", "torch", "numpy", "safetensors", "typer"} <= versions.keys()
    assert versions["torch"] == version("torch")


def test_the_threads_of_torch_and_the_variables_that_set_them_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    threads = collect_info()["threads"]
    assert threads["torch"] == torch.get_num_threads()
    assert threads["MKL_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in threads


def test_instructions_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("flags : fpu avx2 fma avx512_vnni\nbugs : amx_bf16\n", encoding="utf8")
    monkeypatch.setattr("spacy_bilstm.util.info._CPU_FLAGS", path)
    machine = collect_info()["machine"]
    assert machine["instructions for float32"] == "avx2, fma"
    assert machine["instructions for bfloat16"] == "none"
    assert machine["instructions for int8"] == "avx512_vnni"


def test_what_is_switched_on_is_there() -> None:
    facts = collect_info()["switched on"]
    assert facts["thinc"] in ("NumpyOps", "AppleOps", "CupyOps")
    assert facts["registered names"] > 15


def test_facts_can_be_written_as_json() -> None:
    assert srsly.json_loads(srsly.json_dumps(collect_info())) == collect_info()
