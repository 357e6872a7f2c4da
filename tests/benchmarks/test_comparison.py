"""The result of a benchmark as JSON."""

from pathlib import Path
from typing import Any

import pytest
import srsly
from toy_benchmarks import MACHINE, make_encoders, make_scaling, make_speed, make_training


@pytest.mark.parametrize("comparison", [make_speed(), make_scaling(), make_training(), make_encoders()])
def test_json_has_command_settings_machine_and_results(comparison: Any, tmp_path: Path) -> None:
    comparison.write_json(tmp_path / "new" / "result.json")
    written = srsly.read_json(tmp_path / "new" / "result.json")
    assert list(written) == ["command", "settings", "machine", "results"]
    assert written["command"] == comparison.command
    assert MACHINE.items() <= written["machine"].items()
    assert len(written["results"]) == len(comparison.results)


def test_json_has_the_numbers_of_every_round(tmp_path: Path) -> None:
    make_speed().write_json(tmp_path / "speed.json")
    (first, _) = srsly.read_json(tmp_path / "speed.json")["results"]
    usage = {"seconds": 0.5, "peak_memory": 300_000_000, "peak_gpu_memory": None}
    assert first["rounds"] == [{"cold": usage, "stream": usage, "latencies": [0.002], "repeated": usage}] * 2
    assert first["stream"]["words_per_second"] == {"lower": 900.0, "median": 1000.0, "upper": 1234.0}


def test_json_of_scaling_has_the_workload_of_each_result(tmp_path: Path) -> None:
    make_scaling().write_json(tmp_path / "scaling.json")
    results = srsly.read_json(tmp_path / "scaling.json")["results"]
    assert results[0]["setting"] == {"axis": "length", "length": 10, "batch_size": None}
    assert results[-1]["setting"] == {"axis": "batch_size", "length": 20, "batch_size": 16}
