"""The model card of a pipeline: a README with the metadata and the scores that the Hugging Face Hub shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import srsly
from spacy.cli.package import generate_readme

from ..evaluation import Evaluation
from ..evaluation.bootstrap import Estimate

Value = dict[str, Any]


class _Metric(NamedTuple):
    """A score that the Hub shows.

    key: its name in meta.json.
    name: its name in an evaluation.
    task: the task on the Hub, by its name in spaCy's own model cards.
    title, kind: the name and the type of the metric there.
    """

    key: str
    name: str
    task: str
    title: str
    kind: str


_TEXT_TASK = "TEXTCAT"
_METRICS = (
    _Metric("ents_p", "Entities precision", "NER", "NER Precision", "precision"),
    _Metric("ents_r", "Entities recall", "NER", "NER Recall", "recall"),
    _Metric("ents_f", "Entities F", "NER", "NER F Score", "f_score"),
    _Metric("tag_acc", "Tags", "TAG", "TAG (XPOS) Accuracy", "accuracy"),
    _Metric("pos_acc", "Parts of speech", "POS", "POS (UPOS) Accuracy", "accuracy"),
    _Metric("morph_acc", "Morphology", "MORPH", "Morph (UFeats) Accuracy", "accuracy"),
    _Metric("lemma_acc", "Lemmas", "LEMMA", "Lemma Accuracy", "accuracy"),
    _Metric("dep_uas", "UAS", "UNLABELED_DEPENDENCIES", "Unlabeled Attachment Score (UAS)", "f_score"),
    _Metric("dep_las", "LAS", "LABELED_DEPENDENCIES", "Labeled Attachment Score (LAS)", "f_score"),
    _Metric("sents_f", "Sentences F", "SENTS", "Sentences F-Score", "f_score"),
    _Metric("cats_macro_f", "Categories macro F", _TEXT_TASK, "Categories Macro F", "f_score"),
    _Metric("cats_micro_f", "Categories micro F", _TEXT_TASK, "Categories Micro F", "f_score"),
)


def make_card(
    meta: Mapping[str, Any],
    assigned: Sequence[str],
    repo_id: str,
    *,
    evaluation: Evaluation | None = None,
    dataset: str | None = None,
    wheel: str | None = None,
) -> str:
    """Return the model card of a pipeline.

    meta: the pipeline's meta.json.
    assigned: the attributes that its components assign, such as `"token.tag"`.
    repo_id: the repository, `OWNER/NAME`.
    evaluation: an evaluation of the pipeline, for its scores with intervals, or None for the scores in meta.json.
    dataset: the name of the corpus of the scores, or None if it has none.
    wheel: the name of the pipeline's wheel in the repository, or None.
    RETURNS: the card: YAML metadata and Markdown.
    """
    values = _get_scores(meta) if evaluation is None else _get_estimates(evaluation)
    dataset = dataset or (evaluation.settings.corpus.stem if evaluation else "development corpus of the training")
    metadata = _make_metadata(meta, assigned, values, dataset)
    shown = {key: value for key, value in meta.items() if value and (evaluation is None or key != "performance")}
    name = f"{meta['lang']}_{meta['name']}"
    parts = [f"---\n{srsly.yaml_dumps(metadata)}---\n", f"# {name}", generate_readme(shown).strip()]
    if evaluation is not None:
        parts.append(_describe_scores(evaluation, dataset))
    parts.append(_describe_use(name, repo_id, wheel))
    return "\n\n".join(parts) + "\n"


def _make_metadata(
    meta: Mapping[str, Any], assigned: Sequence[str], values: Mapping[str, float], dataset: str
) -> dict[str, Any]:
    tags = ["spacy", "spacy-bilstm"]
    if any(name.startswith(("token.", "doc.ents", "doc.spans", "doc.sents")) for name in assigned):
        tags.append("token-classification")
    if "doc.cats" in assigned:
        tags.append("text-classification")
    metadata: dict[str, Any] = {"library_name": "spacy", "tags": tags}
    metadata["language"] = ["multilingual" if meta["lang"] == "xx" else meta["lang"]]
    if meta.get("license"):
        # The Hub's identifiers, such as cc-by-sa-4.0 and gpl-3.0.
        metadata["license"] = meta["license"].strip().lower().replace(" ", "-").removeprefix("gnu-")
    results = _make_results(values, dataset)
    if results:
        metadata["model-index"] = [{"name": f"{meta['lang']}_{meta['name']}", "results": results}]
    return metadata


def _make_results(values: Mapping[str, float], dataset: str) -> list[Value]:
    """Return the results of a model index: one for each task, with its metrics."""
    results: dict[str, Value] = {}
    for metric in _METRICS:
        if metric.key in values:
            kind = "text-classification" if metric.task == _TEXT_TASK else "token-classification"
            result = results.setdefault(
                metric.task,
                {
                    "task": {"name": metric.task, "type": kind},
                    "dataset": {"name": dataset, "type": "custom"},
                    "metrics": [],
                },
            )
            value = round(values[metric.key], 4)
            result["metrics"].append({"name": metric.title, "type": metric.kind, "value": value})
    return list(results.values())


def _get_scores(meta: Mapping[str, Any]) -> dict[str, float]:
    performance = meta.get("performance") or {}
    return {key: value for key, value in performance.items() if isinstance(value, (int, float))}


def _get_estimates(evaluation: Evaluation) -> dict[str, float]:
    found = {score.name: score.estimate.value for score in evaluation.scores.headline}
    values = {metric.key: found.get(metric.name) for metric in _METRICS}
    return {key: value for key, value in values.items() if value is not None}


def _describe_scores(evaluation: Evaluation, dataset: str) -> str:
    rows = [
        f"| {score.name} | {100 * score.estimate.value:.1f} | {_describe_interval(score.estimate)} |"
        for score in evaluation.scores.headline
        if score.estimate.value is not None
    ]
    return "\n".join(
        [
            "### Scores",
            "",
            f"On {dataset}: {evaluation.n_docs:,} documents with {evaluation.n_words:,} words. The intervals hold 95 % "
            f"of {evaluation.settings.n_resamples:,} bootstrap resamples of the documents.",
            "",
            "| | score | interval |",
            "| --- | ---: | --- |",
            *rows,
        ]
    )


def _describe_interval(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{100 * estimate.lower:.1f} to {100 * estimate.upper:.1f}"


def _describe_use(name: str, repo_id: str, wheel: str | None) -> str:
    lines = ["### Use", ""]
    if wheel is not None:
        lines += [
            "```console",
            f"pip install https://huggingface.co/{repo_id}/resolve/main/{wheel}",
            "```",
            "",
            "```python",
            "import spacy",
            "",
            f'nlp = spacy.load("{name}")',
            "```",
            "",
            "Or without the package:",
            "",
        ]
    lines += [
        "```console",
        "pip install spacy-bilstm huggingface_hub",
        "```",
        "",
        "```python",
        "import spacy",
        "from huggingface_hub import snapshot_download",
        "",
        f'nlp = spacy.load(snapshot_download("{repo_id}"))',
        "```",
    ]
    return "\n".join(lines)
