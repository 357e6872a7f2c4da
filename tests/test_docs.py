"""The documentation: what a reader is told to run runs, what configs name exists, the site builds without a warning."""

import importlib
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import DocBin, Span
from spacy.util import registry
from thinc.api import Config
from typer.testing import Result

from spacy_bilstm.recipes import make_config

PROJECT = Path(__file__).parent.parent
DOCS = PROJECT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
BLOCK = re.compile(
    r"^<!-- (?P<mark>runnable|runnable: slow|output|file: (?P<file>\S+)) -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
CONFIG = re.compile(r"^```ini\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]*)(#(?P<anchor>[^)]+))?\)")
# Trainings are cut short where the page does not do so itself.
SHORT = {
    "train": {"--training.max_steps": "2", "--training.eval_frequency": "1"},
    "find-threshold": {"--n_trials": "2"},
}


@dataclass
class Block:
    """A marked block of a page: its mark, the name of its file if it is one, its language and its text."""

    mark: str
    file: str | None
    language: str
    text: str


def read_blocks(page: Path) -> list[Block]:
    return [
        Block(block["mark"], block["file"], block["language"], block["text"])
        for block in BLOCK.finditer(page.read_text(encoding="utf8"))
    ]


def has_mark(page: Path, mark: str) -> bool:
    return any(block.mark == mark for block in read_blocks(page))


class Reader:
    """A reader, who does what a page says in a folder of their own, in one Python session."""

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
        assert words[:3] == ["python", "-m", "spacy"], f"the test knows no way to run: {line}"
        for option, value in SHORT.get(words[3], {}).items():
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
    """Give a reader in an empty folder, but for the sample corpus."""
    shutil.copytree(PROJECT / "assets" / "sample", tmp_path / "assets" / "sample")
    monkeypatch.chdir(tmp_path)
    return Reader(run_spacy, capsys)


@pytest.mark.parametrize("page", [page for page in PAGES if has_mark(page, "runnable")], ids=lambda page: page.stem)
def test_a_reader_can_follow_the_page(page: Path, reader: Reader) -> None:
    for block in read_blocks(page):
        if block.mark != "runnable: slow":
            reader.follow(block)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if has_mark(page, "runnable: slow")], ids=lambda page: page.stem
)
def test_a_reader_can_follow_the_page_to_its_end(page: Path, reader: Reader) -> None:
    for block in read_blocks(page):
        reader.follow(block)


def add_parents(text: str) -> str:
    """Put the sections that a part of a config lies in before it."""
    sections = re.findall(r"^\[(.+)\]$", text, flags=re.MULTILINE)
    parents = {section[:i] for section in sections for i, char in enumerate(section) if char == "."}
    return "".join(f"[{parent}]\n" for parent in sorted(parents - set(sections))) + text


def find_functions(config: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give the registry, the name and the arguments of each function that a config names."""
    for section in config.values():
        if isinstance(section, dict):
            names = [key for key in section if key.startswith("@")]
            for key in names:
                yield key[1:], section[key], {name: value for name, value in section.items() if name != key}
            yield from find_functions(section)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_configs_name_functions_and_arguments_that_exist(page: Path) -> None:
    for text in CONFIG.findall(page.read_text(encoding="utf8")):
        config = Config().from_str(add_parents(text), interpolate=False)
        for group, name, arguments in find_functions({"": config}):
            function = registry.get(group, name)
            inspect.signature(function).bind_partial(**arguments)


def find_anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf8")):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.is_file(), f"{page.name} links to {link['path']}"
        assert link["anchor"] is None or link["anchor"] in find_anchors(target), link[0]


def test_getting_started_has_the_commands_of_the_readme() -> None:
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
        if point.group in generated.GROUPS:
            section = reference.partition(f"### `{point.name}`\n")[2].partition("\n### ")[0]
            summary = (inspect.getdoc(point.load()) or "").partition("\n")[0]
            assert summary in section
            documented = re.findall(r"^`(\w+)`(?=[:,\n])", section, flags=re.MULTILINE)
            arguments = set(inspect.signature(point.load()).parameters) - {"nlp", "name"}
            assert set(documented) == arguments, point.name
    for name in ("corpus", "fetch", "init-config", "benchmark encoder", "compare long-gap"):
        assert f"`python -m spacy bilstm {name}`\n" in commands


def test_every_row_of_the_ablation_changes_a_setting_that_the_recipe_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    rows = importlib.import_module("update_ablation").ROWS
    config = make_config("en", ["morphologizer", "ner"], "efficiency")
    for row, changes in rows.items():
        for name, value in changes.items():
            *sections, last = name.split(".")
            block: Any = config
            for section in sections:
                block = block[section]
            assert block[last] != value, f"{row}: {name} is {value} in the recipe, too"


def test_the_ablation_fills_the_table_of_its_name_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    ablation = importlib.import_module("update_ablation")
    page = tmp_path / "ablation.md"
    page.write_text("<!-- table: a -->\nold\n<!-- end table -->\n<!-- table: b -->\n<!-- end table -->\n")
    monkeypatch.setattr(ablation, "PAGE", page)
    runs = {"0": {"ents_f": 0.5}, "1": {"ents_f": 0.6}}
    ablation.write_page("b", ablation.make_table({"the recipe": runs, "no dropout": {"0": {"ents_f": 0.25}}}))
    assert "old" in page.read_text()
    assert "| the recipe | 55.0 ± 7.1 | 2 |\n| no dropout | 25.0 | 1 |" in page.read_text()
    with pytest.raises(SystemExit, match="no place for the table 'c'"):
        ablation.write_page("c", "")


def test_entities_are_counted_by_what_training_knew_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    nlp = spacy.blank("en")
    patterns = [{"label": "LOC", "pattern": name} for name in ("Oslo", "Ada", "Grace Hopper spoke")]
    nlp.add_pipe("entity_ruler").add_patterns([*patterns, {"label": "LOC", "pattern": "yesterday"}])
    nlp.to_disk(tmp_path / "pipeline")
    corpora = {
        "train": [("Ada saw Oslo", [(0, 1, "PER"), (2, 3, "LOC")]), ("new york Grace", [])],
        "dev": [
            ("OSLO or oslo", [(0, 1, "LOC"), (2, 3, "LOC")]),
            ("Ada spoke yesterday", [(0, 1, "PER")]),
            ("Grace Hopper spoke of New York", [(0, 2, "PER"), (4, 6, "LOC")]),
        ],
    }
    for name, texts in corpora.items():
        docs = DocBin()
        for text, entities in texts:
            doc = nlp.make_doc(text)
            doc.ents = [Span(doc, *entity) for entity in entities]
            docs.add(doc)
        docs.to_disk(tmp_path / f"{name}.spacy")
    files = ["--train", str(tmp_path / "train.spacy"), "--dev", str(tmp_path / "dev.spacy")]
    monkeypatch.setattr(sys, "argv", ["entity_errors.py", str(tmp_path / "pipeline"), *files])
    importlib.import_module("entity_errors").main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "|  | entities | found | other label | other bounds | missed |"
    none = "0 (0 %)"
    assert set(lines[2:5]) == {
        f"| name seen with this label | 3 | {none} | 1 (33 %) | {none} | 2 (67 %) |",
        f"| name unseen, with a word unseen | 1 | {none} | {none} | 1 (100 %) | {none} |",
        f"| name unseen, of words seen | 1 | {none} | {none} | {none} | 1 (100 %) |",
    }
    assert lines[-1] == "Of 3 entities predicted, 1 are where none is annotated."


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the site is built with the extra docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "trees")]
    result = subprocess.run([*command, str(DOCS), str(tmp_path / "site")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "spacy-bilstm.BiLSTMEncoder.v1" in (tmp_path / "site" / "reference.html").read_text(encoding="utf8")
