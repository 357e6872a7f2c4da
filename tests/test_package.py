"""The installed package: entry points, version, typing marker, and imports between its folders."""

import ast
import subprocess
import sys
from importlib.metadata import distribution
from inspect import isfunction
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import spacy_bilstm

PACKAGE = Path(spacy_bilstm.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))
# The packages that each package may import, besides itself. Nothing imports `cli`.
# `util` imports no other package, so every package may use it.
LAYERS: dict[str, set[str]] = {
    "nn": set(),
    "annotation": {"util"},
    "bridge": set(),
    "corpora": {"util"},
    "recipes": {"util"},
    "util": set(),
    "architectures": {"bridge", "nn"},
    "training": {"bridge", "util"},
    "pipeline": {"architectures", "bridge", "nn"},
    "distillation": {"annotation", "bridge", "pipeline", "recipes", "training", "util"},
    "evaluation": {"pipeline", "util"},
    "sweeps": {"training", "util"},
    "publishing": {"evaluation", "util"},
    "benchmarks": {"training", "bridge", "util"},
    "experiments": {
        "annotation",
        "benchmarks",
        "distillation",
        "training",
        "pipeline",
        "architectures",
        "bridge",
        "nn",
        "recipes",
        "util",
    },
}
LAYERS["cli"] = set(LAYERS)
# The distributions that a package must not import.
FORBIDDEN = {"nn": {"spacy", "thinc"}, "corpora": {"torch", "thinc"}}
COMMANDS = ("console_scripts", "spacy_cli")  # Their entry points are no functions that a config names.


def test_every_registered_name_is_a_documented_top_level_function() -> None:
    points = [point for point in distribution("spacy-bilstm").entry_points if point.group not in COMMANDS]
    assert len(points) >= 5
    for point in points:
        function = point.load()
        assert isfunction(function)
        assert function.__closure__ is None
        assert function.__module__.startswith("spacy_bilstm.")
        assert function.__doc__


def test_the_version_is_the_version_of_the_distribution() -> None:
    assert spacy_bilstm.__version__ == distribution("spacy-bilstm").version


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_every_file_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse((PACKAGE.parent / path).read_text(encoding="utf8")))


@pytest.mark.parametrize("path", [path for path in MODULES if len(path.parts) > 2], ids=str)
def test_imports_go_one_way(path: Path) -> None:
    package = path.parts[1]
    tree = ast.parse((PACKAGE.parent / path).read_text(encoding="utf8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            depth = len(path.parts) - 1 - node.level
            imported = (*path.parts[1 : 1 + depth], *(node.module or "").split("."))[0] or package
            assert imported in LAYERS[package] | {package}, f"{path} imports {imported}"
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert not {name.split(".")[0] for name in names} & FORBIDDEN.get(package, set())


def test_importing_the_package_does_not_import_torch() -> None:
    """Every spaCy command imports the package, so the import must be fast."""
    code = "import sys, spacy_bilstm; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", [["-m", "spacy", "bilstm"], ["-m", "spacy_bilstm"]])
def test_the_commands_run_through_spacy_and_on_their_own(command: list[str]) -> None:
    result = subprocess.run([sys.executable, *command, "--help"], capture_output=True, text=True, check=True)
    assert "corpus" in result.stdout


def test_the_oldest_versions_that_are_tested_are_those_that_are_allowed() -> None:
    """`bash .ci/oldest` tests them."""
    lines = (Path(__file__).parent.parent / "constraints-oldest.txt").read_text(encoding="utf8").splitlines()
    tested = {line.partition("==")[0]: Version(line.partition("==")[2]) for line in lines if "==" in line}
    bounds: dict[str, list[Version]] = {}
    for text in distribution("spacy-bilstm").requires or []:
        requirement = Requirement(text)
        lower = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
        if requirement.marker is None or requirement.name in tested:
            bounds.setdefault(requirement.name, []).extend(lower)
    assert {name: max(versions) for name, versions in bounds.items()} == {
        name: version for name, version in tested.items() if name != "click"
    }
