"""Build the folder of a repository on the Hugging Face Hub: the pipeline, its model card and its wheel."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import spacy
import srsly
from packaging.utils import InvalidWheelFilename, canonicalize_name, canonicalize_version, parse_wheel_filename
from packaging.version import InvalidVersion
from spacy.about import __version__ as spacy_version
from spacy.language import Language
from spacy.util import is_compatible_version

from ..evaluation import Evaluation, evaluate
from ..util.files import check_output_directory, replace_directory
from .card import make_card

_NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
# The fields of meta.json that the pipeline itself determines.
_DETERMINED = ("lang", "pipeline", "components", "labels", "vectors", "performance")
# The fields of meta.json that a reader of the card looks for.
_EXPECTED = ("description", "license", "author")
_TEXTS = ("name", "version", "description", "license", "author", "email", "url", "spacy_version")
_PATTERNS = {"name": "[A-Za-z0-9_]+", "version": "[A-Za-z0-9.+!_-]+"}
_ALSO = {"name": "'_'", "version": "'.', '+', '!', '_' and '-'"}


@dataclass(frozen=True)
class HubRepository:
    """The folder of a repository.

    directory: its path.
    files: the files in it, relative to the directory.
    n_bytes: the size of all files.
    missing: fields of meta.json that readers look for and that are empty.
    evaluation: the evaluation whose scores the card shows, or None if they are those of meta.json.
    """

    directory: Path
    files: list[str]
    n_bytes: int
    missing: list[str]
    evaluation: Evaluation | None


def build_repository(
    model: str | Path,
    repo_id: str,
    directory: str | Path,
    *,
    meta: Mapping[str, Any] | str | Path | None = None,
    corpus: str | Path | None = None,
    dataset: str | None = None,
    wheel: str | Path | None = None,
    n_resamples: int = 1000,
    progress: bool = False,
) -> HubRepository:
    """Build the folder of a repository on the Hugging Face Hub. Nothing is uploaded.

    model: the path or the name of a trained pipeline.
    repo_id: the repository, `OWNER/NAME`.
    directory: the folder to write. It must be new or empty.
    meta: fields to set in meta.json, such as `"name"`, `"version"`, `"description"`, `"license"` and `"author"`, or
        the path of a JSON file with them, or None.
    corpus: an annotated `.spacy` file to evaluate the pipeline on, for scores with intervals, or None for the scores
        that the training has stored in meta.json.
    dataset: the name of the corpus of the scores, for the card, or None for the file's name.
    wheel: the wheel that `spacy package` built of the pipeline, to be installed from the Hub, or None.
    n_resamples: the number of bootstrap resamples for the intervals, >= 1.
    progress: whether to show progress bars in a terminal.
    RETURNS: the folder and what is in it.
    RAISES: ValueError if the name of the repository, the fields of meta.json, the folder or the wheel is refused;
        OSError if the pipeline can't be read or the folder can't be written; CorpusError if the corpus can't be read.
    """
    directory = Path(directory)
    _check_repo_id(repo_id)
    check_output_directory(directory, inputs=[model, *([] if corpus is None else [corpus])])
    fields = _read_meta(Path(meta)) if isinstance(meta, (str, Path)) else meta or {}
    nlp = spacy.load(model)
    nlp.meta.update(_check_meta(fields, nlp))
    wheel = None if wheel is None else _check_wheel(Path(wheel), nlp)
    evaluation = None
    if corpus is not None:
        evaluation = evaluate(nlp, corpus, n_worst=0, n_resamples=n_resamples, progress=progress)
    assigned = [name for pipe in nlp.pipe_names for name in nlp.get_pipe_meta(pipe).assigns]
    card = make_card(
        nlp.meta,
        assigned,
        repo_id,
        evaluation=evaluation,
        dataset=dataset,
        wheel=None if wheel is None else wheel.name,
    )
    with replace_directory(directory) as draft:
        nlp.to_disk(draft)
        (draft / "README.md").write_text(card, encoding="utf8")
        if wheel is not None:
            shutil.copyfile(wheel, draft / wheel.name)
        spacy.load(draft)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return HubRepository(
        directory,
        [path.relative_to(directory).as_posix() for path in files],
        sum(path.stat().st_size for path in files),
        [name for name in _EXPECTED if not nlp.meta.get(name)],
        evaluation,
    )


def _check_repo_id(repo_id: str) -> None:
    owner, slash, name = repo_id.partition("/")
    if not slash or not _NAME.fullmatch(owner) or not _NAME.fullmatch(name) or name.endswith(".git"):
        raise ValueError(
            f"{repo_id!r} is not the name of a repository on the Hub. Give OWNER/NAME, each of at most 96 letters, "
            "digits, '-', '_' and '.', without '--' or '..', and not with '-' or '.' at an end."
        )


def _read_meta(path: Path) -> Mapping[str, Any]:
    try:
        fields = srsly.read_json(path)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}. Correct the file.") from error
    if not isinstance(fields, dict):
        raise ValueError(f'{path} is not a JSON object. Write one such as {{"name": "places", "version": "0.1.0"}}.')
    return fields


def _check_meta(meta: Mapping[str, Any], nlp: Language) -> Mapping[str, Any]:
    for name, value in meta.items():
        if name in _TEXTS and not isinstance(value, str):
            raise ValueError(f"{name!r} of meta.json must be a string, not {value!r}.")
        if name in _PATTERNS and not re.fullmatch(_PATTERNS[name], value):
            raise ValueError(f"{name!r} of meta.json is {value!r}. Use letters, digits and {_ALSO[name]} only.")
        if name == "spacy_version" and is_compatible_version(spacy_version, value) is None:
            raise ValueError(f"'spacy_version' of meta.json is {value!r}. Write versions such as '>=3.8.0,<3.9.0'.")
        if name in _DETERMINED and value != nlp.meta.get(name):
            raise ValueError(f"the pipeline determines {name!r} in meta.json. Leave it out of the fields to set.")
    return meta


def _check_wheel(wheel: Path, nlp: Language) -> Path:
    if not wheel.is_file() or wheel.suffix != ".whl" or not is_zipfile(wheel):
        raise ValueError(f"{wheel} is not a wheel. Give the .whl file that `spacy package --build wheel` has written.")
    # `spacy package` writes both in their normalised form.
    name = canonicalize_name(f"{nlp.meta['lang']}_{nlp.meta['name']}")
    version = canonicalize_version(nlp.meta["version"], strip_trailing_zero=False)
    try:
        found = parse_wheel_filename(wheel.name)[:2]
    except (InvalidWheelFilename, InvalidVersion):
        found = None
    if found is None or (found[0], str(found[1])) != (name, version):
        expected = f"{name.replace('-', '_')}-{version}-"
        raise ValueError(
            f"{wheel.name} is not the wheel of this pipeline: its name must begin with {expected}. Build it from the "
            "same pipeline, or give the same name and version for meta.json as to `spacy package`."
        )
    return wheel
