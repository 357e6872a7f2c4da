"""Fetching assets: complete, verified files are written; a fault stops and leaves no partial file."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from asset_server import DESTS, FILES, AssetServer, read_assets, running_server

from spacy_bilstm.corpora import FetchedAsset, FetchError, fetch_assets


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AssetServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server() as server:
        yield server


def list_assets(address: str) -> list[dict[str, str]]:
    return [
        {"dest": dest, "url": address + path, "checksum": hashlib.md5(FILES[path]).hexdigest()}
        for dest, path in DESTS.items()
    ]


def test_missing_files_are_downloaded(tmp_path: Path, server: AssetServer) -> None:
    reported: list[FetchedAsset] = []
    fetched = fetch_assets(list_assets(server.address), tmp_path, on_asset=reported.append)
    assert fetched == reported == [FetchedAsset(dest, downloaded=True) for dest in DESTS]
    assert read_assets(tmp_path) == {dest: FILES[path] for dest, path in DESTS.items()}


def test_existing_files_are_verified_and_only_incorrect_ones_are_downloaded_again(
    tmp_path: Path, server: AssetServer
) -> None:
    fetch_assets(list_assets(server.address), tmp_path)
    (tmp_path / "assets" / "b" / "x").write_bytes(b"incorrect")
    fetched = fetch_assets(list_assets(server.address), tmp_path)
    assert [asset.dest for asset in fetched if asset.downloaded] == ["assets/b/x"]
    assert read_assets(tmp_path) == {dest: FILES[path] for dest, path in DESTS.items()}
    assert server.requested == [*FILES, "/other.txt"]


def test_only_assets_in_a_directory_are_fetched(tmp_path: Path, server: AssetServer) -> None:
    fetched = fetch_assets(list_assets(server.address), tmp_path, under="assets/b")
    assert [asset.dest for asset in fetched] == ["assets/b/x"]
    assert set(read_assets(tmp_path)) == {"assets/b/x"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("404", "the server answers 404 Not Found"),
        ("damaged", "the file is damaged or another one"),
        ("truncated", "the connection broke before the file was complete"),
        ("stalled", "the server sent nothing for 0.3 seconds"),
    ],
)
def test_a_fault_leaves_no_partial_file_and_the_next_run_continues(
    tmp_path: Path, server: AssetServer, fault: str, message: str
) -> None:
    server.fault = fault
    with pytest.raises(FetchError, match=message) as raised:
        fetch_assets(list_assets(server.address), tmp_path, timeout=0.3)
    assert str(raised.value).startswith(f"Could not fetch assets/a/dev.conllu from {server.address}/dev.conllu: ")
    assert read_assets(tmp_path) == {"assets/a/train.conllu": FILES["/train.conllu"]}
    server.fault = ""
    fetched = fetch_assets(list_assets(server.address), tmp_path)
    assert [asset.downloaded for asset in fetched] == [False, True, True]


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path, server: AssetServer) -> None:
    (tmp_path / "assets" / "a").mkdir(parents=True)
    (tmp_path / "assets" / "a" / "dev.conllu").write_bytes(b"old")
    server.fault = "damaged"
    with pytest.raises(FetchError):
        fetch_assets(list_assets(server.address), tmp_path)
    assert read_assets(tmp_path)["assets/a/dev.conllu"] == b"old"


@pytest.mark.parametrize("key", ["url", "checksum"])
def test_an_asset_that_cannot_be_verified_is_refused(tmp_path: Path, server: AssetServer, key: str) -> None:
    assets = list_assets(server.address)
    del assets[0][key]
    with pytest.raises(FetchError, match=r"Add it to project.yml"):
        fetch_assets(assets, tmp_path)
    assert server.requested == []


def test_an_interrupt_names_the_unfinished_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(requests, "get", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^before assets/a/train.conllu was complete$"):
        fetch_assets(list_assets("http://nowhere"), tmp_path)
    assert read_assets(tmp_path) == {}


def test_nothing_is_printed(tmp_path: Path, server: AssetServer, capfd: pytest.CaptureFixture[str]) -> None:
    fetch_assets(list_assets(server.address), tmp_path)
    assert capfd.readouterr() == ("", "")
