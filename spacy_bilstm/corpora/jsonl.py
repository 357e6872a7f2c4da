"""Read files with a JSON object in each line, or with a JSON list of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from spacy.language import Language

from .corpus_file import CorpusFile
from .docs import AnnotatedText
from .export import Export, RecordError
from .exports import TOKEN_KEYS, list_records, read_export, read_names
from .json_values import read_json_values
from .records import are_strings, read_record
from .tags import Scheme, detect_scheme


def read_jsonl(file: CorpusFile, nlp: Language, scheme: Scheme | None) -> Iterator[AnnotatedText]:
    """Read the texts of a JSONL or JSON file.

    file: the file. A record that can't be read is an error. A span that does not start and end with words and an
        invalid tag are warnings; the annotation is then missing there. Keys that look like annotation and are not read
        are a warning.
    nlp: provides the tokenizer.
    scheme: the scheme of entity tags; None detects it.
    RETURNS: the texts, in order. Records whose `answer` is not "accept" are skipped.
    """
    exports = list(_read_exports(file))
    _complete(exports)
    tags = (export.record.get("tags") for export in exports)
    scheme = scheme or detect_scheme(sentence for sentence in tags if are_strings(sentence))
    for export in file.track(exports, "Convert"):
        for warning in export.warnings:
            file.warn(export.line, warning)
        if export.skipped:
            file.warn(export.line, export.skipped)
            continue
        try:
            text, warnings = read_record(export.record, export.line, nlp, scheme)
        except RecordError as error:
            file.error(export.line, str(error))
            continue
        for warning in warnings:
            file.warn(export.line, warning)
        yield text
    unread = Counter(key for export in exports for key in sorted(set(export.unread)))
    if unread:
        counts = ", ".join(f"'{key}' ({n:,})" for key, n in unread.most_common())
        file.warn(None, f"these keys look like annotation and are not read (in how many records): {counts}.")


def _read_exports(file: CorpusFile) -> Iterator[Export]:
    names: dict[int, str] = {}
    for value in read_json_values(file):
        try:
            for line, record in list_records(value):
                found = read_names(record)
                if found and not {"text", *TOKEN_KEYS} & record.keys():
                    names = found
                else:
                    yield read_export(record, line, names)
        except RecordError as error:
            file.error(value.line, str(error))


def _complete(exports: Sequence[Export]) -> None:
    """Add the annotation of each record that only the whole file tells: no entities, and categories not chosen."""
    has_entities = any(export.has_entities for export in exports)
    categories: dict[str, set[str]] = {}
    for export in exports:
        for group, labels in (*export.choices.items(), *export.options.items()):
            categories.setdefault(group, set()).update(labels)
    for export in exports:
        if export.annotated and not export.has_entities:
            if has_entities or not categories:
                export.record["spans"] = []
            elif "" in categories:
                export.choices.setdefault("", [])
        for group, chosen in export.choices.items():
            scores = {label: float(label in chosen) for label in sorted(categories[group])}
            export.record["cats"] = {**scores, **export.record.get("cats", {})}
