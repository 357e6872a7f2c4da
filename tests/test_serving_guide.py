"""The programs of the guide to serving give the results of the pipeline, for concurrent requests and after a fork.

The tests of a server need its library: python -m pip install fastapi uvicorn gunicorn celery "pyspark[sql]"
"""

import contextlib
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Full
from types import ModuleType
from typing import Any

import pytest
import spacy
import torch
from page_blocks import read_blocks
from toy_corpus import make_docs
from toy_ner import make_nlp
from toy_pipelines import overfit

PAGE = Path(__file__).parent.parent / "docs" / "guides" / "serving.md"
TEXTS = [f"{doc.text} Zq{i}x" for i, doc in enumerate(make_docs(spacy.blank("xx").vocab, 20, seed=5))]
MODULES = ("service", "handler", "spark_entities")
Import = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the programs of the page, a pipeline, and texts to warm it up."""
    path = tmp_path_factory.mktemp("serving")
    for block in read_blocks(PAGE):
        if block.file:
            (path / block.file).write_text(block.text, encoding="utf8")
    nlp = make_nlp()
    overfit(nlp)
    nlp.to_disk(path / "model")
    (path / "texts.txt").write_text("\n".join(TEXTS[:5]), encoding="utf8")
    return path


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[dict[str, Any]]:
    """Return the descriptions of the texts that the pipeline gives one by one."""
    docs = [spacy.load(folder / "model")(text) for text in TEXTS]
    described = [
        {
            "tags": [""] * len(doc),
            "entities": [{"start": ent.start_char, "end": ent.end_char, "label": ent.label_} for ent in doc.ents],
        }
        for doc in docs
    ]
    assert any(description["entities"] for description in described)
    return described


@pytest.fixture
def import_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Return a function that imports a program of the page anew."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("MODEL", str(folder / "model"))
    monkeypatch.setenv("WARM_UP", str(folder / "texts.txt"))
    threads = torch.get_num_threads()
    yield importlib.import_module
    torch.set_num_threads(threads)
    for name in MODULES:
        sys.modules.pop(name, None)


def test_several_threads_get_the_results_of_one(import_program: Import, expected: list[dict[str, Any]]) -> None:
    """Each text has a word that is new to the pipeline."""
    service = import_program("service")
    nlp = service.load()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda text: service.describe(nlp(text)), TEXTS * 5))
    assert results == expected * 5


def test_leaving_a_zone_in_one_thread_invalidates_the_words_of_another() -> None:
    """This is why zones need a lock. If this test fails, spaCy has changed, and the guide can be simpler."""
    nlp = spacy.blank("xx")
    zone, zone_of_other = nlp.memory_zone(), nlp.memory_zone()
    with ThreadPoolExecutor(1) as other:
        zone.__enter__()
        other.submit(zone_of_other.__enter__).result()
        doc = other.submit(nlp, "Zq7x").result()
        assert doc.text == "Zq7x"
        zone.__exit__(None, None, None)
        with pytest.raises(KeyError, match="E018"):
            other.submit(getattr, doc, "text").result()
        other.submit(zone_of_other.__exit__, None, None, None).result()


def test_threads_that_start_later_use_one_thread_of_torch(import_program: Import) -> None:
    torch.set_num_threads(3)
    import_program("service").load()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1


def test_batches_have_the_results_of_single_texts(import_program: Import, expected: list[dict[str, Any]]) -> None:
    annotator = import_program("service").Annotator(import_program("service").load())
    futures = [annotator.submit(text) for text in TEXTS]
    annotator.start()
    assert [future.result(60) for future in futures] == expected


def test_words_of_the_warm_up_stay_and_words_of_requests_go(import_program: Import) -> None:
    nlp = import_program("service").load()
    annotator = import_program("service").Annotator(nlp)
    annotator.start()
    for text in TEXTS:
        annotator.submit(text).result(60)
    annotator.submit("x").result(60)  # The zone of the text before has ended.
    assert "Zq4x" in nlp.vocab.strings
    assert "Zq19x" not in nlp.vocab.strings


def test_a_text_that_fails_does_not_fail_the_others_of_its_batch(
    import_program: Import, expected: list[dict[str, Any]]
) -> None:
    nlp = import_program("service").load()
    nlp.max_length = max(map(len, TEXTS))
    annotator = import_program("service").Annotator(nlp)
    futures = [annotator.submit(text) for text in (TEXTS[0], "x" * (nlp.max_length + 1), TEXTS[1])]
    annotator.start()
    assert futures[0].result(60) == expected[0]
    assert futures[2].result(60) == expected[1]
    with pytest.raises(ValueError, match="E088"):
        futures[1].result()


def test_a_cancelled_request_does_not_end_the_thread(import_program: Import, expected: list[dict[str, Any]]) -> None:
    annotator = import_program("service").Annotator(import_program("service").load())
    assert annotator.submit(TEXTS[1]).cancel()
    annotator.start()
    assert annotator.submit(TEXTS[0]).result(60) == expected[0]


def test_too_many_waiting_texts_are_refused(import_program: Import) -> None:
    annotator = import_program("service").Annotator(import_program("service").load(), max_waiting=2)
    annotator.submit("a")
    annotator.submit("b")
    with pytest.raises(Full):
        annotator.submit("c")


def test_the_handler_describes_a_text(import_program: Import, expected: list[dict[str, Any]]) -> None:
    handler = import_program("handler")
    assert [handler.handle({"text": text}, None) for text in TEXTS] == expected


def test_the_function_of_the_udf_maps_batches(import_program: Import, expected: list[dict[str, Any]]) -> None:
    pandas = pytest.importorskip("pandas")
    batches = [pandas.Series(TEXTS[:7], index=range(3, 10)), pandas.Series(TEXTS[7:])]
    found = list(import_program("spark_entities").find_entities(iter(batches)))
    assert [series.index.tolist() for series in found] == [series.index.tolist() for series in batches]
    assert [ents for series in found for ents in series] == [description["entities"] for description in expected]


def get_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a program of the page."""
    path = os.pathsep.join([str(folder), *(entry for entry in sys.path if entry)])
    settings = {"MODEL": str(folder / "model"), "WARM_UP": str(folder / "texts.txt"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **settings, "PYTHONPATH": path, **more}


def kill(process: subprocess.Popen) -> None:
    """Kill a process that `start_new_session` started, and all processes that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_open(port: int, process: subprocess.Popen) -> None:
    """Wait until a server accepts connections."""
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    raise TimeoutError("The server does not answer.")


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., str]]:
    """Return a function that starts a server with a port as last argument and returns its address."""
    processes = []

    def start(*command: str, prefix: str = "") -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = (sys.executable, "-m", *command, f"{prefix}{port}")
        processes.append(subprocess.Popen(command, cwd=folder, env=get_environment(folder), start_new_session=True))
        wait_until_open(port, processes[-1])
        return f"http://127.0.0.1:{port}/annotate"

    yield start
    for process in processes:
        kill(process)


def request(url: str, text: str) -> dict[str, Any]:
    """Send a text."""
    data = json.dumps({"text": text}).encode()
    message = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(message, timeout=120) as response:
        result: dict[str, Any] = json.load(response)
    return result


def check_server(url: str, expected: list[dict[str, Any]]) -> None:
    """Send the texts at the same time, many times, and one that is too long."""
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: request(url, text), TEXTS * 3)) == expected * 3
    with pytest.raises(urllib.error.HTTPError, match="422"):
        request(url, "x" * 10_001)


@pytest.mark.parametrize(
    "command",
    [["locked:app"], ["batches:app"], ["batches:app", "--workers", "2", "--timeout-worker-healthcheck", "60"]],
    ids=str,
)
def test_uvicorn_answers_concurrent_requests(
    command: list[str], serve: Callable[..., str], expected: list[dict[str, Any]]
) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    check_server(serve("uvicorn", *command, "--port"), expected)


def test_workers_of_gunicorn_answer_after_torch_used_threads_in_their_parent(
    serve: Callable[..., str], folder: Path, expected: list[dict[str, Any]]
) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("gunicorn.workers.gasgi", reason="needs gunicorn 25 or later, on Linux or macOS")
    lines = ["import torch", "from batches import app", "torch.set_num_threads(2)", "torch.randn(10**6).exp()"]
    (folder / "after_threads.py").write_text("\n".join(lines), encoding="utf8")
    options = ("--preload", "--worker-class", "asgi", "--workers", "2", "--bind")
    check_server(serve("gunicorn", "after_threads:app", *options, prefix="127.0.0.1:"), expected)


def test_celery_annotates_in_processes(folder: Path, tmp_path: Path, expected: list[dict[str, Any]]) -> None:
    celery = pytest.importorskip("celery")
    results = tmp_path / "results"
    results.mkdir()
    environment = get_environment(folder, BROKER="filesystem://", RESULTS=results.as_uri())
    messages = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    setting = f"\napp.conf.broker_transport_options = {messages!r}\n"
    (folder / "local_tasks.py").write_text(f"from tasks import app\n{setting}", encoding="utf8")
    options = ("worker", "--pool", "prefork", "--concurrency", "2")
    command = [sys.executable, "-m", "celery", "-A", "local_tasks", *options]
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        app = celery.Celery("client", broker="filesystem://", backend=results.as_uri())
        app.conf.broker_transport_options = messages
        tasks = [app.send_task("tasks.annotate", [TEXTS[i : i + 5]]) for i in range(0, len(TEXTS), 5)]
        assert [description for task in tasks for description in task.get(timeout=120)] == expected
    finally:
        kill(process)


def test_spark_runs_the_udf(folder: Path, tmp_path: Path, expected: list[dict[str, Any]]) -> None:
    pytest.importorskip("pyspark")
    pytest.importorskip("pandas")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf8")
    command = [sys.executable, "spark_job.py", str(tmp_path / "texts.txt"), str(tmp_path / "entities")]
    environment = get_environment(folder, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=600)
    lines = [line for file in (tmp_path / "entities").glob("*.json") for line in file.read_text().splitlines()]
    rows = {row["value"]: row["entities"] for row in map(json.loads, lines)}
    assert [rows[text] for text in TEXTS] == [description["entities"] for description in expected]
