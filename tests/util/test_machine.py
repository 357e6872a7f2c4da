"""Facts about the machine."""

import srsly

from spacy_bilstm.util.machine import describe_machine


def test_hardware_system_and_versions_are_described() -> None:
    assert list(describe_machine())[:4] == ["cpu", "cores", "system", "python"]
    assert {"spacy-bilstm", "spacy", "thinc", "torch", "numpy"} <= set(describe_machine())


def test_facts_can_be_written_as_json() -> None:
    assert srsly.json_loads(srsly.json_dumps(describe_machine())) == describe_machine()


def test_the_gpu_is_not_described_on_a_cpu() -> None:
    assert "gpu" not in describe_machine(gpu_id=-1)
