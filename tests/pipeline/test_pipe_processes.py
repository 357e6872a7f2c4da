"""`nlp.pipe(n_process=2)` finishes with forked processes, also after multi-threaded torch work in the parent."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent.parent / "data" / "pipe_processes.py"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and an OpenMP pool of threads")
Start = Callable[..., subprocess.Popen]


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory where the program saves the pipeline that it trains, and loads it from."""
    return tmp_path_factory.mktemp("processes") / "model"


@pytest.fixture
def start(model_path: Path) -> Iterator[Start]:
    """A function that starts the program in a process group. The group is killed after the test."""
    processes = []

    def start(*args: str) -> subprocess.Popen:
        # With threads that wait without spinning, two processes take less time on a busy machine.
        env = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
        env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, str(PROGRAM), args[0], str(model_path), args[1]]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, env=env, stdout=pipe, text=True, start_new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("kind", ["trained", "loaded"])
def test_two_processes_annotate_as_one_does(kind: str, start: Start) -> None:
    """The pipeline is either trained in the parent or only loaded there."""
    process = start(kind, "guarded")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert output.splitlines()[-1] == "done"


def test_two_processes_hang_without_the_guard(start: Start) -> None:
    """Without `make_fork_safe` the forked processes wait for threads that do not exist."""
    process = start("trained", "unguarded")
    assert process.stdout.readline() == "in two processes\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=6)
