"""Fetching assets: complete, verified files are written; a fault stops and leaves no partial file."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from asset_server import DESTS, FILES, AssetServer, read_assets, running_server

from spacy_bilstm.corpora import FetchedAsset, FetchError, download, fetch_assets


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AssetServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "BACKOFF", 0.01)
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
        ("chunked and truncated", "the connection broke before the file was complete"),
        ("stalled", "the server sent nothing for 0.2 seconds"),
        ("503", "the server answers 503 Service Unavailable"),
        ("length: 5, 6", "the address or the server's answer can't be used"),
        ("location: http://[::1", "the address or the server's answer can't be used"),
        ("location: http://a..b/", "the address or the server's answer can't be used"),
        ("location: file:///etc/hostname", "the address or the server's answer can't be used"),
        ("location: /dev.conllu", "the address or the server's answer can't be used"),
    ],
)
# Python 3.10 leaves the connection open if the address of a redirect is not valid.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_a_fault_leaves_no_partial_file_and_the_next_run_continues(
    tmp_path: Path, server: AssetServer, fault: str, message: str
) -> None:
    server.fault = fault
    with pytest.raises(FetchError, match=message) as raised:
        fetch_assets(list_assets(server.address), tmp_path, timeout=0.2)
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


@pytest.mark.parametrize(
    "fault", ["gzip", "chunked", "length: abc", "length: -3", "length: ²", "length: 4, 4", "location: /dev.conllu#x"]
)
def test_an_unusual_answer_with_the_complete_file_is_accepted(tmp_path: Path, server: AssetServer, fault: str) -> None:
    server.fault = fault
    server.n_faults = 1 if fault.startswith("location") else 1000
    fetch_assets(list_assets(server.address), tmp_path, under="assets/a")
    assert read_assets(tmp_path)["assets/a/dev.conllu"] == FILES["/dev.conllu"]


@pytest.mark.parametrize("fault", ["truncated", "chunked and truncated", "stalled", "503", "429"])
def test_a_broken_download_is_tried_again(tmp_path: Path, server: AssetServer, fault: str) -> None:
    server.fault, server.n_faults = fault, 2
    fetch_assets(list_assets(server.address)[1:2], tmp_path, timeout=0.2)
    assert read_assets(tmp_path) == {"assets/a/dev.conllu": FILES["/dev.conllu"]}
    assert server.requested == ["/dev.conllu"] * 3


@pytest.mark.parametrize(("fault", "n_tries"), [("404", 1), ("damaged", 1), ("truncated", 3), ("503", 3)])
def test_only_broken_downloads_are_tried_again_and_not_for_ever(
    tmp_path: Path, server: AssetServer, fault: str, n_tries: int
) -> None:
    server.fault = fault
    with pytest.raises(FetchError):
        fetch_assets(list_assets(server.address)[1:2], tmp_path)
    assert server.requested == ["/dev.conllu"] * n_tries


def test_each_retry_waits_twice_as_long_within_the_time_of_the_file(
    tmp_path: Path, server: AssetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(download, "BACKOFF", 1.0)
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    server.fault = "503"
    for max_seconds, expected in ((60, [1.0, 2.0]), (0.5, [])):
        pauses.clear()
        with pytest.raises(FetchError):
            fetch_assets(list_assets(server.address)[1:2], tmp_path, max_seconds=max_seconds)
        assert pauses == expected


def test_a_server_that_never_ends_is_given_up(tmp_path: Path, server: AssetServer) -> None:
    server.fault = "slow"
    with pytest.raises(FetchError, match=r"the file takes more than 0\.2 seconds"):
        fetch_assets(list_assets(server.address)[1:2], tmp_path, max_seconds=0.2)
    assert read_assets(tmp_path) == {}


@pytest.mark.parametrize("fault", ["", "gzip", "chunked", "length: abc"])
def test_a_file_that_is_too_large_is_given_up(tmp_path: Path, server: AssetServer, fault: str) -> None:
    server.fault = fault
    with pytest.raises(FetchError, match="the file is larger than 3 bytes"):
        fetch_assets(list_assets(server.address)[1:2], tmp_path, max_bytes=3)
    assert read_assets(tmp_path) == {}


@pytest.mark.parametrize("limit", [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": 1e12},
                                   {"max_seconds": 0}, {"max_bytes": 0}])  # fmt: skip
def test_limits_that_are_not_positive_numbers_are_refused(tmp_path: Path, limit: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Use a positive number"):
        fetch_assets([], tmp_path, **limit)


@pytest.mark.parametrize("change", [str.upper, lambda checksum: f" {checksum}\n"])
def test_the_case_of_a_checksum_does_not_matter(
    tmp_path: Path, server: AssetServer, change: Callable[[str], str]
) -> None:
    (asset,) = list_assets(server.address)[1:2]
    assets = [asset | {"checksum": change(asset["checksum"])}]
    assert [fetch_assets(assets, tmp_path)[0].downloaded for _ in range(2)] == [True, False]


@pytest.mark.parametrize("checksum", ["sha256:abc", "0" * 31, 123])
def test_a_checksum_that_is_no_md5_is_refused(tmp_path: Path, checksum: Any) -> None:
    with pytest.raises(FetchError, match=r"is not an MD5. Write 32 hexadecimal digits"):
        fetch_assets([{"dest": "a", "url": "http://x", "checksum": checksum}], tmp_path)


REFUSED = [
    ("../x", "the path leaves the project"),
    ("assets/../../x", "the path leaves the project"),
    ("/elsewhere/x", "the path leaves the project"),
    (".", "the path leaves the project"),
    ("", "the asset has no path as its 'dest'"),
    (None, "the asset has no path as its 'dest'"),
    ("a\0b", "the asset has no path as its 'dest'"),
    ("project.yml", "project.yml is a file of the project itself"),
    ("assets/../Project.YML", "Project.YML is a file of the project itself"),
    ("project.lock", "project.lock is a file of the project itself"),
    (".git/hooks/post-checkout", "the path is part of git's own files"),
    ("assets/.GIT/config", "the path is part of git's own files"),
    ("assets", "the path is a directory"),
    ("tracked.py", "tracked.py is a file of the project itself"),
    ("src/../tracked.py", "tracked.py is a file of the project itself"),
    ("tracked.py/x", "tracked.py is a file of the project itself"),
    ("link/x", "link is a file of the project itself"),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in a repository of git, with a tracked file, a tracked link and a directory."""
    path = tmp_path_factory.mktemp("outer") / "project"
    (path / "assets").mkdir(parents=True)
    (path / "project.yml").write_text("precious")
    (path / "tracked.py").write_text("precious")
    (path / "link").symlink_to("..")
    for command in (["init", "-q"], ["add", "tracked.py", "link"]):
        subprocess.run(["git", "-C", str(path), *command], check=True)
    return path


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize(("dest", "message"), REFUSED)
def test_a_path_outside_the_assets_is_refused_before_anything_is_downloaded(
    repository: Path, server: AssetServer, dest: Any, message: str
) -> None:
    before = {path: path.read_bytes() for path in repository.parent.rglob("*") if path.is_file()}
    assets = list_assets(server.address)
    assets.append(assets[0] | {"dest": dest})
    with pytest.raises(FetchError, match=message):
        fetch_assets(assets, repository)
    assert server.requested == []
    assert {path: path.read_bytes() for path in repository.parent.rglob("*") if path.is_file()} == before


def test_project_files_are_refused_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FetchError, match="is a file of the project itself"):
        fetch_assets([{"dest": "project.yml", "url": "http://x", "checksum": "0" * 32}], tmp_path)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_an_asset_that_git_tracks_is_kept_if_it_has_its_checksum(repository: Path) -> None:
    checksum = hashlib.md5(b"precious").hexdigest()
    fetched = fetch_assets([{"dest": "tracked.py", "url": "http://x", "checksum": checksum}], repository)
    assert fetched == [FetchedAsset("tracked.py", downloaded=False)]


def test_assets_may_be_a_link_of_the_user(tmp_path: Path, server: AssetServer) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "assets").symlink_to(tmp_path / "disk")
    fetch_assets(list_assets(server.address), tmp_path / "project")
    assert (tmp_path / "disk" / "b" / "x").read_bytes() == FILES["/other.txt"]


def test_a_target_that_cannot_be_written_is_refused_before_the_download(tmp_path: Path, server: AssetServer) -> None:
    (tmp_path / "assets").write_text("a file")
    with pytest.raises(FetchError, match="can't be written"):
        fetch_assets(list_assets(server.address), tmp_path)
    assert server.requested == []
