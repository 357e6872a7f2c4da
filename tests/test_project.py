"""The workflow in project.yml, the configs, and the commands and code of the README."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.cli._util import app
from thinc.api import Config
from typer.testing import CliRunner, Result
from weasel.cli.run import check_rerun
from weasel.util.config import load_project_config

import spacy_bilstm
from spacy_bilstm.recipes import make_config

PROJECT = Path(__file__).parent.parent
PACKAGE = Path(spacy_bilstm.__file__).parent
# The packages that affect the result of a training.
TRAINED_WITH = ("architectures", "bridge", "nn", "pipeline", "training")
README = (PROJECT / "README.md").read_text(encoding="utf8")
CONFIGS = sorted((PROJECT / "configs").glob("*.cfg"))
SHELL = re.compile(r"&&|\|\||[;|<>`]|\$\(")


def load_commands(path: Path, **variables: Any) -> dict[str, dict[str, Any]]:
    overrides = {f"vars.{name}": value for name, value in variables.items()}
    return {command["name"]: command for command in load_project_config(path, overrides=overrides)["commands"]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the files that the workflow reads."""
    shutil.copy(PROJECT / "project.yml", tmp_path)
    for name in ("configs", "assets/sample"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    shutil.copytree(PACKAGE, tmp_path / "spacy_bilstm")
    return tmp_path


def shorten(project: Path, n_steps: int) -> None:
    """Make the configs train for only a few steps."""
    for path in (project / "configs").iterdir():
        config = Config().from_disk(path, interpolate=False)
        config["training"] |= {"max_steps": n_steps, "eval_frequency": n_steps}
        config.to_disk(path)


def run_project(project: Path, command: str, **variables: Any) -> str:
    given = [word for name, value in variables.items() for word in (f"--vars.{name}", str(value))]
    result = subprocess.run(
        [sys.executable, "-m", "spacy", "project", "run", command, str(project), *given], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_commands_depend_on_the_configs_and_the_code_they_use(project: Path) -> None:
    commands = load_commands(project)
    code = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.py")}
    trained = {path for path in code if path == "spacy_bilstm/__init__.py" or path.split("/")[1] in TRAINED_WITH}
    assert {dep for dep in commands["train"]["deps"] if dep.endswith(".py")} == trained
    assert "configs/bilstm.cfg" in commands["train"]["deps"]
    assert "spacy_bilstm/corpora/conllu.py" in commands["convert"]["deps"]
    assert {dep for command in commands.values() for dep in command.get("deps", []) if dep.endswith(".py")} <= code


def test_no_command_needs_a_shell(project: Path) -> None:
    for command in load_commands(project).values():
        for line in command["script"]:
            assert line.startswith("python -")
            assert not SHELL.search(re.sub(r'-c ".*"', "", line))


def test_commands_that_refuse_to_replace_a_pipeline_are_forced_to(project: Path) -> None:
    """A command that is repeated after a change replaces its own output."""
    commands = load_commands(project)
    for name in ("calibrate", "package"):
        (line,) = commands[name]["script"]
        assert "--force" in line.split()


@pytest.mark.parametrize("other", [{"seed": 1}, {"config": "cnn"}, {"corpus": "mine"}])
def test_different_runs_write_different_outputs(project: Path, other: dict[str, Any]) -> None:
    def outputs(**variables: Any) -> set[str]:
        commands = load_commands(project, **variables)
        return {path for name in ("train", "evaluate", "report", "package") for path in commands[name]["outputs"]}

    assert len(outputs()) == 5
    assert outputs() & outputs(**other) == set()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_fill_config_changes_no_config(path: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", "fill-config", str(path), str(tmp_path / "filled.cfg")])
    assert result.exit_code == 0, result.output
    assert Config().from_disk(path, interpolate=False) == Config().from_disk(tmp_path / "filled.cfg", interpolate=False)


@pytest.mark.parametrize(
    ("name", "pipeline"), [("ner", ["ner"]), ("ud", ["tagger", "morphologizer", "ner"]), ("textcat", ["textcat"])]
)
def test_the_configs_of_real_corpora_are_those_of_init_config(name: str, pipeline: list[str]) -> None:
    made = make_config("en", pipeline)
    assert Config().from_disk(PROJECT / "configs" / f"{name}.cfg", interpolate=False) == made


def test_the_readme_documents_the_current_workflow(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["project", "document", str(PROJECT), "--output", str(tmp_path / "README.md")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "README.md").read_text(encoding="utf8").strip() in README


def test_the_code_of_the_readme_runs() -> None:
    blocks = re.findall(r"<!-- runnable -->\n```python\n(.*?)```", README, flags=re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "<README>", "exec"), {"__name__": "__main__"})


def test_ci_runs_the_readmes_test_command() -> None:
    (command,) = re.findall(r"<!-- test command -->\n```console\n(.*)\n```", README)
    assert command.endswith("python -m pytest")
    assert "<!-- test command -->" in (PROJECT / ".ci" / "run").read_text(encoding="utf8")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch, run_spacy: Callable[..., Result]) -> None:
    """Make a project's commands run in this process. To start one with spaCy and torch takes seconds."""

    def run(lines: list[str], *args: Any, **kwargs: Any) -> None:
        for line in lines:
            words = shlex.split(line)
            if words[:3] == ["python", "-m", "spacy"]:
                run_spacy(*words[3:])
            else:
                subprocess.run([sys.executable, *words[1:]], check=True)

    monkeypatch.setattr("weasel.cli.run.run_commands", run)


@pytest.mark.usefixtures("in_this_process")
def test_the_workflow_trains_evaluates_and_repeats_only_what_changed(
    project: Path, run_spacy: Callable[..., Result]
) -> None:
    shorten(project, 4)
    for command in ("convert", "train", "evaluate", "report"):
        run_spacy("project", "run", command, project)
    assert srsly.read_json(project / "metrics" / "sample_bilstm_0.json")["tag_acc"] > 0
    assert "Learning curves" in (project / "metrics" / "sample_bilstm_0.html").read_text(encoding="utf8")
    nlp = spacy.load(project / "training" / "sample_bilstm_0" / "model-best")
    assert nlp.pipe_names == ["tok2vec", "tagger", "ner"]
    commands = load_commands(project)
    assert [name for name in ("convert", "train", "evaluate", "report") if check_rerun(project, commands[name])] == []
    source = project / "spacy_bilstm" / "nn" / "recurrent_encoder.py"
    source.write_text(source.read_text(encoding="utf8") + "\n", encoding="utf8")
    assert check_rerun(project, commands["train"])


@pytest.mark.usefixtures("in_this_process")
def test_the_workflow_of_text_classification_trains_on_its_sample(
    project: Path, run_spacy: Callable[..., Result]
) -> None:
    shorten(project, 2)
    (line,) = load_commands(project, seed=7)["textcat"]["script"]
    words = shlex.split(line)
    for command in ("convert", "train", "evaluate", "report"):
        run_spacy("project", "run", command, project, *words[words.index("--vars.corpus") :])
    assert 0 <= srsly.read_json(project / "metrics" / "sample_textcat_7.json")["cats_macro_f"] <= 1
    nlp = spacy.load(project / "training" / "sample_textcat_7" / "model-best")
    assert nlp("When do you open?").cats.keys() == {"COMPLAINT", "ORDER", "QUESTION"}


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{}, {"config": "cnn", "seed": 1}], ids=["bilstm", "cnn"])
def test_the_package_installs_with_its_requirement_and_tags_a_sentence(
    project: Path, tmp_path_factory: pytest.TempPathFactory, variables: dict[str, Any]
) -> None:
    """Install the pipeline's wheel in a new environment. pip finds this package as a locally built wheel."""
    shorten(project, 4)
    run_project(project, "all", **variables)
    wheels = tmp_path_factory.mktemp("wheels")
    subprocess.run([sys.executable, "-m", "build", "--wheel", str(PROJECT), "--outdir", str(wheels)], check=True)
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    (python,) = [*environment.glob("bin/python"), *environment.glob("Scripts/python.exe")]
    (wheel,) = (project / "packages").glob("*/dist/*.whl")
    constraints = PROJECT / "constraints.txt"
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "-c", str(constraints), "--find-links", str(wheels), str(wheel)],
        check=True,
    )
    name = wheel.name.split("-")[0]
    code = f"import spacy; print([t.tag_ for t in spacy.load('{name}')('Marta lives in Leeds.')])"
    result = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True, cwd=environment)
    assert result.stdout.count("'") == 10
    freeze = subprocess.run([str(python), "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    assert ("spacy-bilstm" in freeze.lower().replace("_", "-")) == (variables.get("config") != "cnn")
