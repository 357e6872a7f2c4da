"""The public interface changes only together with the version: it is compared with a committed snapshot."""

from pathlib import Path

import pytest
from public_api import (
    COMMAND,
    SNAPSHOT,
    UNREGISTERED,
    compare,
    describe_api,
    find_broken,
    is_released,
    read_text,
    to_text,
)

import spacy_bilstm

NAME, FACTORY = "a.Encoder.v1", "a_tagger"
BEFORE = {
    "spacy_architectures": {NAME: ["width", "depth = 1"]},
    "spacy_factories": {FACTORY: ["model.width = 8", "threshold = 0.5"]},
    "commands": {"train": ["CONFIG (required)", "--output, -o (required)"]},
}


def change(section: str, name: str, parameters: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return an interface with other parameters of one name."""
    return BEFORE | {section: BEFORE[section] | {name: parameters}}


def test_the_interface_is_that_of_the_snapshot() -> None:
    present, lines, problems = compare(SNAPSHOT.read_text(encoding="utf8"))
    changed = "\n".join(lines)
    needed = "\n".join(f"- {problem}." for problem in problems)
    assert not lines, (
        f"The public interface has changed:\n{changed}\n"
        + (f"This is not allowed:\n{needed}\n" if needed else "")
        + f"If the change is intended, run `{COMMAND}`, add a line to CHANGELOG.md and commit both. "
        "CONTRIBUTING.md has the rules."
    )
    assert present == SNAPSHOT.read_text(encoding="utf8")


def test_the_snapshot_has_the_version_of_the_package_and_all_sections() -> None:
    version, sections, since = read_text(SNAPSHOT.read_text(encoding="utf8"))
    assert version == spacy_bilstm.__version__
    assert sections["spacy_architectures"]["spacy-bilstm.BiLSTMEncoder.v1"][0] == "width"
    assert "--output, --output-path, -o (required)" in sections["commands"]["train"]
    assert sections["functions"]["spacy_bilstm.evaluation.evaluate"][:2] == ["model", "corpus"]
    assert {*since} == {name for group in sections if group not in UNREGISTERED for name in sections[group]}


def test_a_snapshot_that_is_read_and_written_is_the_same() -> None:
    text = SNAPSHOT.read_text(encoding="utf8")
    version, sections, since = read_text(text)
    assert to_text(sections, version, since) == text


@pytest.mark.parametrize("parameters", [["width"], ["width", "depth = 2"], ["width", "depth = 1", "merge = 3"]])
def test_other_parameters_of_a_released_function_need_a_new_name(parameters: list[str]) -> None:
    (problem,) = find_broken(BEFORE, change("spacy_architectures", NAME, parameters), set())
    assert problem.startswith(f"{NAME} has other parameters. Keep it, and register a new version with them")
    assert find_broken(BEFORE, change("spacy_architectures", NAME, parameters), {NAME}) == []


def test_a_released_name_stays() -> None:
    after = {"spacy_factories": BEFORE["spacy_factories"]}
    (problem,) = find_broken(BEFORE, after, set())
    assert problem.startswith(f"{NAME} is gone")


def test_a_factory_may_get_settings_but_not_lose_or_change_one() -> None:
    kept = BEFORE["spacy_factories"][FACTORY]
    assert find_broken(BEFORE, change("spacy_factories", FACTORY, [*kept, "new = 1"]), set()) == []
    for parameters in (kept[:1], [kept[0], "threshold = 0.7"]):
        (problem,) = find_broken(BEFORE, change("spacy_factories", FACTORY, parameters), set())
        assert problem.startswith(f"{FACTORY} lost or changed a setting")


def test_commands_and_functions_may_change_in_a_new_version() -> None:
    assert find_broken(BEFORE, change("commands", "train", ["CONFIG (required)"]), set()) == []


def test_a_version_is_released_if_its_heading_has_a_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text("## 0.3.0 (unreleased)\n\n## 0.2.0 (2026-12-01)\n", encoding="utf8")
    monkeypatch.setattr("public_api.PROJECT", tmp_path)
    assert [is_released(version) for version in ("0.2.0", "0.3.0", "0.2")] == [True, False, False]


def test_a_changed_interface_of_a_released_version_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("public_api.is_released", lambda version: True)
    text = SNAPSHOT.read_text(encoding="utf8").replace("\nannotate\n", "\nannotated\n")
    _, lines, problems = compare(text)
    assert "+annotate" in lines
    assert any(f"version {spacy_bilstm.__version__} is released" in problem for problem in problems)


def test_the_description_is_the_same_each_time() -> None:
    assert describe_api() == describe_api()
