"""Read the tasks of Label Studio's JSON export."""

from __future__ import annotations

from typing import Any

from .export import Export, Record, RecordError, is_list_of


def is_task(record: Record) -> bool:
    """Return whether a JSON object is a task of Label Studio.

    record: the object.
    RETURNS: whether it has `data` and `annotations`, or `completions` as in old versions.
    """
    return isinstance(record.get("data"), dict) and isinstance(_get_annotations(record), list)


def read_task(task: Record, line: int) -> Export:
    """Read a task: its labels are spans, and its choices are categories.

    task: the JSON object.
    line: number of its line in the file, from 1.
    RETURNS: the record. Results of other types are not read.
    RAISES: RecordError if the task has no text or its annotation is damaged.
    """
    export = Export(line, {"text": _find_text(task["data"])})
    annotations = [
        annotation
        for annotation in _get_annotations(task)
        if isinstance(annotation, dict) and not annotation.get("was_cancelled")
    ]
    if not annotations:
        export.unread += ["predictions"] if task.get("predictions") else []
        return export
    if len(annotations) > 1:
        export.warnings.append(
            f"this task has {len(annotations)} annotations. Only one is read: the ground truth or the first."
        )
    annotation = next((annotation for annotation in annotations if annotation.get("ground_truth")), annotations[0])
    results = annotation.get("result")
    if not isinstance(results, list) or not is_list_of(results, dict):
        raise RecordError("the 'result' of an annotation is not a list of objects.")
    export.annotated = True
    for result in results:
        _read_result(result, export)
    return export


def _get_annotations(task: Record) -> Any:
    return task.get("annotations", task.get("completions"))


def _find_text(data: dict[str, Any]) -> str:
    texts = [value for value in data.values() if isinstance(value, str)]
    if isinstance(data.get("text"), str):
        return str(data["text"])
    if len(texts) == 1:
        return texts[0]
    raise RecordError("'data' has no 'text', and not exactly one other string. Name the text 'text'.")


def _read_result(result: dict[str, Any], export: Export) -> None:
    kind, value = result.get("type"), result.get("value")
    value = value if isinstance(value, dict) else {}
    is_region = "start" in value
    if kind == "labels" and is_region:
        export.record.setdefault("spans", []).append(value)
    elif kind == "choices" and not is_region and is_list_of(value.get("choices"), str):
        export.choices.setdefault(str(result.get("from_name", "")), []).extend(value["choices"])
    else:
        export.unread.append(f"result of type {kind}")
