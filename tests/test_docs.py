"""The documentation: its commands and code run, its configs and links are valid, and the site builds."""

import ast
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from page_blocks import Block, read_blocks
from spacy.util import registry
from thinc.api import Config
from typer.testing import Result

import spacy_bilstm

PROJECT = Path(__file__).parent.parent
DOCS = PROJECT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
SLOW = ("runnable: slow", "runnable: ray")
CONFIG = re.compile(r"^```ini\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]*)(#(?P<anchor>[^)]+))?\)")
# Options that make a command fast, unless the page sets them itself.
SHORT = {
    "train": {"--training.max_steps": "2", "--training.eval_frequency": "1"},
    "bilstm sweep": {"--training.max_steps": "2", "--training.eval_frequency": "1"},
    "find-threshold": {"--n_trials": "2"},
}


def has_mark(page: Path, mark: str) -> bool:
    return any(block.mark == mark for block in read_blocks(page))


class Reader:
    """Runs the blocks of a page one by one, in the current folder and in one Python session."""

    def __init__(self, run_spacy: Callable[..., Result], capsys: pytest.CaptureFixture[str]) -> None:
        self.run_spacy = run_spacy
        self.capsys = capsys
        self.session: dict[str, Any] = {"__name__": "__main__"}
        self.output = ""

    def follow(self, block: Block) -> None:
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf8")
        elif block.mark == "output":
            assert block.text in self.output
        elif block.language == "console":
            for line in block.text.splitlines():
                self.run(line)
        else:
            self.capsys.readouterr()
            exec(compile(block.text, "<page>", "exec"), self.session)
            self.output = self.capsys.readouterr().out

    def run(self, line: str) -> None:
        words = shlex.split(line)
        if words[0] == "mkdir":
            Path(words[1]).mkdir()
            return
        assert words[:3] == ["python", "-m", "spacy"], f"the test cannot run this command: {line}"
        command = " ".join(words[3:5]) if words[3] == "bilstm" else words[3]
        for option, value in SHORT.get(command, {}).items():
            if option not in words:
                words += [option, value]
        self.run_spacy(*words[3:])


@pytest.fixture
def reader(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_spacy: Callable[..., Result],
    capsys: pytest.CaptureFixture[str],
) -> Reader:
    """Return a reader in a new folder that contains only the sample corpus."""
    shutil.copytree(PROJECT / "assets" / "sample", tmp_path / "assets" / "sample")
    monkeypatch.chdir(tmp_path)
    return Reader(run_spacy, capsys)


@pytest.mark.parametrize("page", [page for page in PAGES if has_mark(page, "runnable")], ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page: Path, reader: Reader) -> None:
    for block in read_blocks(page):
        if block.mark not in SLOW:
            reader.follow(block)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(has_mark(page, mark) for mark in SLOW)], ids=lambda page: page.stem
)
def test_all_blocks_of_a_page_run_including_slow_ones(page: Path, reader: Reader) -> None:
    if has_mark(page, "runnable: ray"):
        pytest.importorskip("ray", reason="needs the extra 'ray'")
    for block in read_blocks(page):
        reader.follow(block)


def add_parents(text: str) -> str:
    """Add the parent sections that a part of a config needs to be parsed."""
    sections = re.findall(r"^\[(.+)\]$", text, flags=re.MULTILINE)
    parents = {section[:i] for section in sections for i, char in enumerate(section) if char == "."}
    return "".join(f"[{parent}]\n" for parent in sorted(parents - set(sections))) + text


def find_functions(config: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the registry, the name and the arguments of each function in a config."""
    for section in config.values():
        if isinstance(section, dict):
            names = [key for key in section if key.startswith("@")]
            for key in names:
                yield key[1:], section[key], {name: value for name, value in section.items() if name != key}
            yield from find_functions(section)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_configs_name_existing_functions_and_arguments(page: Path) -> None:
    for text in CONFIG.findall(page.read_text(encoding="utf8")):
        config = Config().from_str(add_parents(text), interpolate=False)
        for group, name, arguments in find_functions({"": config}):
            function = registry.get(group, name)
            inspect.signature(function).bind_partial(**arguments)


def find_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site generate them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_have_a_target(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf8")):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.is_file(), f"{page.name} links to {link['path']}"
        assert link["anchor"] is None or link["anchor"] in find_anchors(target), link[0]


def find_messages() -> str:
    """Return all strings in the package's code, one per line, with `…` for each value in a message."""
    strings = []
    for path in Path(spacy_bilstm.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            values = [getattr(part, "value", None) for part in parts]
            strings.append("".join(value if isinstance(value, str) else "…" for value in values))
    return "\n".join(strings)


def test_troubleshooting_quotes_errors_of_this_package() -> None:
    page = " ".join((DOCS / "troubleshooting.md").read_text(encoding="utf8").split())
    titles = " ".join(re.findall(r"\*\*(.+?)\*\*", page))
    quotes = [quote for quote in re.findall(r"`([^`]+)`", titles) if " " in quote and not quote.startswith("[E")]
    assert len(quotes) > 10
    messages = find_messages()
    assert [quote for quote in quotes if quote not in messages] == []


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "README.md"], ids=lambda page: page.stem)
def test_the_python_names_on_a_page_exist(page: Path) -> None:
    for name in re.findall(r"\bspacy_bilstm(?:\.\w+)+", page.read_text(encoding="utf8")):
        resolve_name(name)


def test_getting_started_contains_the_commands_of_the_readme() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf8")
    commands = re.findall(r"^<!-- (?:main|test) command -->\n```console\n(.+)\n```$", readme, flags=re.MULTILINE)
    page = (DOCS / "getting-started.md").read_text(encoding="utf8")
    assert len(commands) == 2
    assert all(command in page for command in commands)


def test_the_reference_describes_every_registered_name_and_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    generated = pytest.importorskip("generated")
    reference, commands = (
        generated.fill_page((DOCS / name).read_text(encoding="utf8")) for name in ("reference.md", "cli.md")
    )
    for point in distribution("spacy-bilstm").entry_points:
        if point.group not in ("console_scripts", "spacy_cli"):
            section = reference.partition(f"### `{point.name}`\n")[2].partition("\n### ")[0]
            summary = (inspect.getdoc(point.load()) or "").partition("\n")[0]
            assert summary in section
            terms = re.findall(r"^(`.*)\n: ", section, flags=re.MULTILINE)
            documented = re.findall(r"(?:^|; )`(\w+)`", "\n".join(terms), flags=re.MULTILINE)
            arguments = set(inspect.signature(point.load()).parameters) - {"nlp", "name"}
            assert set(documented) == arguments, point.name
    for name in ("corpus", "fetch", "init-config", "benchmark encoder", "compare long-gap"):
        assert f"`python -m spacy bilstm {name}`\n" in commands


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the site is built with the extra docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "trees")]
    result = subprocess.run([*command, str(DOCS), str(tmp_path / "site")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "spacy-bilstm.BiLSTMEncoder.v1" in (tmp_path / "site" / "reference.html").read_text(encoding="utf8")
