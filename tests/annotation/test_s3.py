"""Sources and targets on an S3 server on this machine. Needs moto[server] and s3fs, which no extra installs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spacy_bilstm.annotation import annotate, read_texts

moto_server = pytest.importorskip("moto.server", reason="needs moto[server]")
s3fs = pytest.importorskip("s3fs", reason="needs s3fs")


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, Any]]:
    """Start a server with the bucket `texts`, and yield the options of the file system."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    found = {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
    s3fs.S3FileSystem(**found).mkdir("texts")
    yield found
    server.stop()


def test_texts_are_read_from_s3(options: dict[str, Any]) -> None:
    s3fs.S3FileSystem(**options).pipe_file("texts/in/a.txt", "Zoë.\nBob.\n".encode())
    assert [r.text for r in read_texts("s3://texts/in", storage_options=options)] == ["Zoë.", "Bob."]
    assert [r.id for r in read_texts("s3://texts/in/*.txt", storage_options=options)] == ["a.txt:1", "a.txt:2"]


def test_an_interrupted_run_on_s3_continues(options: dict[str, Any], pipeline: Path) -> None:
    fs = s3fs.S3FileSystem(**options)
    fs.pipe_file("texts/many/a.txt", b"".join(b"Marta and number %d.\n" % i for i in range(30)))

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    arguments = ("s3://texts/many", "s3://texts/out", pipeline)
    with pytest.raises(KeyboardInterrupt):
        annotate(*arguments, format="jsonl", part_size=10, storage_options=options, progress=stop)
    summary = annotate(*arguments, format="jsonl", part_size=10, storage_options=options)
    assert (summary.documents, summary.new_documents) == (30, 20)
    fs.invalidate_cache()
    lines = [line for name in sorted(fs.glob("texts/out/part-*")) for line in fs.cat_file(name).splitlines()]
    assert len(lines) == 30
