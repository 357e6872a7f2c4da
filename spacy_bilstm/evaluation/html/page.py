"""The page of a report. What was found comes in; HTML goes out, in which no text of a corpus is markup."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from spacy.language import Language

from ...util.machine import describe_machine
from ..annotation import Evaluation, measure_size
from ..bootstrap import LEVEL, Estimate
from ..confusions import Confusion, list_confusions, make_matrix
from ..reliability import Calibration, calibrate
from ..scores import NAMES, Outcomes, SeenInTraining, find_outcomes, score
from ..training_log import TrainingLog
from ..worst_sentences import find_worst
from .charts import draw_curves, draw_matrix, draw_reliability, render_svg

_N_COLOURS = 8
_N_CONFUSIONS = 15
_N_IN_MATRIX = 12
# Attributes of tokens that have few values.
_CONFUSED = ("tag", "pos")


@dataclass(frozen=True)
class Request:
    """What a report was asked for.

    model: path or name of the pipeline.
    corpus: the corpus that it annotates.
    train: the corpus that it was trained on, or None.
    log: the log of its training, or None.
    n_worst: how many of the sentences with most errors to show.
    n_resamples, seed: of the bootstrap.
    gpu_id: the GPU to compute on, or -1.
    """

    model: str
    corpus: Path
    train: Path | None
    log: Path | None
    n_worst: int
    n_resamples: int
    seed: int
    gpu_id: int


@dataclass(frozen=True)
class _Plot:
    """A plot: the drawing, and what it shows."""

    svg: Markup
    title: str


@dataclass(frozen=True)
class _ConfusionSection:
    """The confusions of an attribute."""

    name: str
    plot: _Plot
    rows: list[Confusion]


def make_page(
    nlp: Language, evaluation: Evaluation, request: Request, seen: SeenInTraining | None, log: TrainingLog | None
) -> str:
    """Make the page.

    nlp: the pipeline.
    evaluation: the corpus that it annotated.
    request: what was asked for.
    seen: what was in the training corpus, if that is known.
    log: the log of the training, if there is one.
    RETURNS: HTML that needs no other file.
    """
    found = find_outcomes(nlp, evaluation)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"percent": _format_percent, "interval": _format_interval}
    scores = score(evaluation, found, seen, request.n_resamples, request.seed)
    calibration = None if evaluation.confidences is None else calibrate(evaluation.examples, evaluation.confidences)
    return environment.get_template("page.html.jinja").render(
        title=_name_pipeline(nlp),
        request=request,
        n_docs=len(evaluation.examples),
        n_words=evaluation.n_words,
        facts=_list_facts(nlp, evaluation, request.gpu_id),
        scores=scores,
        level=LEVEL,
        colours={name: i % _N_COLOURS for i, name in enumerate(sorted(row.name for row in scores.entities))},
        curves=[] if log is None else _draw_log(log),
        confusions=_list_confusion_sections(evaluation, found),
        calibration=calibration,
        reliability=None if calibration is None else _draw_calibration(calibration),
        worst=find_worst(evaluation, found, request.n_worst),
    )


def _name_pipeline(nlp: Language) -> str:
    meta = nlp.meta
    return f"{meta['lang']}_{meta['name']} {meta['version']}"


def _list_facts(nlp: Language, evaluation: Evaluation, gpu_id: int) -> list[tuple[str, str]]:
    size = measure_size(nlp)
    machine = describe_machine(gpu_id)
    device = machine.get("gpu", f"{machine['cpu']}, {torch.get_num_threads()} thread(s)")
    speed = f"{evaluation.n_words / evaluation.seconds:,.0f} words/s, in one pass over the corpus, without tokenizer"
    facts = [
        ("Components", ", ".join(nlp.pipe_names)),
        ("Speed", speed if evaluation.confidences is None else f"{speed}, with confidences of entities"),
        ("Parameters", f"{size.parameters:,}"),
    ]
    if size.bytes_on_disk is not None:
        facts.append(("Size on disk", f"{size.bytes_on_disk / 1e6:,.1f} MB"))
    versions = ", ".join(f"{name} {machine[name]}" for name in ("spacy", "spacy-bilstm", "torch"))
    return [*facts, ("Machine", device), ("Versions", versions)]


def _draw_log(log: TrainingLog) -> list[_Plot]:
    # spaCy's logger writes its scores times 100, except for words per second.
    scores = {name: curve for name, curve in log.scores.items() if name != "speed"}
    drawings = []
    if scores:
        draw = partial(draw_curves, log.steps, scores, "score on the dev corpus", log=False)
        drawings.append(_Plot(render_svg(draw, "scores"), "Scores over the steps of the training"))
    if log.losses:
        draw = partial(draw_curves, log.steps, log.losses, "loss since the last evaluation", log=True)
        drawings.append(_Plot(render_svg(draw, "losses"), "Losses over the steps of the training"))
    return drawings


def _draw_calibration(calibration: Calibration) -> _Plot:
    return _Plot(render_svg(partial(draw_reliability, calibration), "reliability"), "Reliability of confidences")


def _list_confusion_sections(evaluation: Evaluation, found: Outcomes) -> list[_ConfusionSection]:
    sections = []
    for attr in (attr for attr in _CONFUSED if attr in found.tokens):
        docs = found.tokens[attr]
        rows = list_confusions(evaluation.examples, docs, _N_CONFUSIONS)
        if rows:
            draw = partial(draw_matrix, make_matrix(docs, _N_IN_MATRIX))
            name = NAMES[attr]
            plot = _Plot(render_svg(draw, f"matrix-{attr}"), f"{name}: gold values against predicted ones")
            sections.append(_ConfusionSection(name, plot, rows))
    return sections


def _format_percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def _format_interval(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{100 * estimate.lower:.1f} to {100 * estimate.upper:.1f}"
