"""Read files with a JSON object in each line."""

from __future__ import annotations

from collections.abc import Iterator

import srsly
from spacy.language import Language

from .corpus_file import CorpusFile
from .docs import AnnotatedText
from .records import POS_KEY, TAG_KEYS, Record, RecordError, are_strings, read_record
from .tags import Scheme, detect_scheme


def read_jsonl(file: CorpusFile, nlp: Language, scheme: Scheme | None) -> Iterator[AnnotatedText]:
    """Read the texts of a JSONL file.

    file: the file. A line that can't be read is an error. A span that does not start and end with words or overlaps
        another, and an invalid tag, are warnings; the annotation is then missing there.
    nlp: provides the tokenizer.
    scheme: the scheme of entity tags; None detects it.
    RETURNS: the texts, in order. Lines whose `answer` is not "accept" are skipped.
    """
    records = list(_read_objects(file))
    scheme = scheme or detect_scheme(record[key] for _, record in records for key in TAG_KEYS if key in record)
    for number, record in file.track(records, "Convert"):
        if record.get("answer", "accept") != "accept":
            file.warn(number, f"the answer is '{record['answer']}', so this line is skipped.")
            continue
        try:
            text, warnings = read_record(record, number, nlp, scheme)
        except RecordError as error:
            file.error(number, str(error))
            continue
        for warning in warnings:
            file.warn(number, warning)
        yield text


def _read_objects(file: CorpusFile) -> Iterator[tuple[int, Record]]:
    """Yield the number and the object of each line, without keys whose value is null."""
    for number, line in enumerate(file.lines, start=1):
        if not line.strip():
            continue
        try:
            record = srsly.json_loads(line)
        except ValueError as error:
            file.error(number, f"this line is not JSON: {error}.")
            continue
        if not isinstance(record, dict):
            file.error(number, 'this line is not a JSON object such as {"text": "...", "spans": []}.')
            continue
        record = {key: value for key, value in record.items() if value is not None}
        invalid = [key for key in (*TAG_KEYS, POS_KEY) if not are_strings(record.get(key, []))]
        if invalid:
            file.error(number, f"'{invalid[0]}' is not a list of strings.")
        else:
            yield number, record
