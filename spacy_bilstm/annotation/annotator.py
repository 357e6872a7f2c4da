"""Load a pipeline and annotate the records of a part with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import require_gpu

from ..util.pipeline_paths import find_pipeline
from .records import BadRecord, Record
from .store import PartInfo
from .targets import WRITERS, PartWriter

CONFIDENCES = "annotate_confidences"
# In a memory zone, spaCy's tokenizer caches nothing. So the first texts are annotated outside of one, until the vocab
# has this many new words: they stay, and the cache has the frequent ones.
_KEPT_WORDS = 100_000
# What a memory zone allocates is freed after this many characters. A larger zone repeats less work for frequent words.
_ZONE_CHARACTERS = 1_000_000
# Docs are written and released after this many characters.
_BATCH_CHARACTERS = 250_000


@dataclass(frozen=True)
class AnnotatorSettings:
    """What determines the content of a part, besides its records.

    model: path or name of the pipeline.
    model_hash: its hash, from `hash_pipeline`. A worker on another machine must find the same pipeline.
    format: `"parquet"`, `"jsonl"` or `"spacy"`.
    text: whether to write the texts; `.spacy` files always have them.
    confidences: whether to write the confidences of entities that a `bilstm_ner` predicts.
    """

    model: str
    model_hash: str
    format: str = "parquet"
    text: bool = False
    confidences: bool = False


class Annotator:
    """A loaded pipeline that annotates parts.

    settings: the settings.
    threads: threads that it computes on, >= 1.
    gpu: whether to compute on a GPU.
    """

    def __init__(self, settings: AnnotatorSettings, threads: int = 1, gpu: bool = False) -> None:
        if hash_pipeline(settings.model) != settings.model_hash:
            raise ValueError(
                f"The pipeline {settings.model} differs from the one that the run began with. "
                "Install the same pipeline on each machine, and don't change it while the run goes on."
            )
        torch.set_num_threads(threads)
        if gpu:
            require_gpu()
        self._settings = settings
        self._nlp = spacy.load(settings.model)
        self._confidences = _find_confidences(self._nlp, settings.confidences)
        self._n_words_to_keep = len(self._nlp.vocab) + _KEPT_WORDS

    def make_part(
        self, items: Sequence[Record | BadRecord], digest: str, last: bool, source_bytes: int
    ) -> tuple[bytes, PartInfo]:
        """Annotate the records of a part.

        items: the records.
        digest, last, source_bytes: as in `PartInfo`.
        RETURNS: the content of the data file, and the facts about the part.
        RAISES: the exception of the pipeline or of the format if it fails at all of several records.
        """
        start = time.perf_counter()
        writer = WRITERS[self._settings.format](self._settings.text, self._confidences)
        bad = [item for item in items if isinstance(item, BadRecord)]
        records: list[Record] = []
        for item in items:
            if isinstance(item, Record):
                reason = self._find_problem(item)
                if reason:
                    bad.append(BadRecord(item.place, reason, item.id))
                else:
                    records.append(item)
        failures: list[Exception] = []
        n_documents = n_words = 0
        for zone in _cut(records, _ZONE_CHARACTERS):
            with self._begin_zone():
                for batch in _cut(zone, _BATCH_CHARACTERS):
                    annotated = _write(writer, self._annotate(batch, bad, failures), bad, failures)
                    n_documents += len(annotated)
                    n_words += sum(len(doc) for _, doc in annotated)
                    del annotated
        if failures and len(records) > 1 and not n_documents:  # Not the records are bad, but the pipeline.
            raise failures[0]
        data = writer.to_bytes()
        seconds = time.perf_counter() - start
        info = PartInfo(len(items), n_documents, n_words, bad, digest, last, source_bytes, seconds)
        return data, info

    def _begin_zone(self) -> AbstractContextManager[Any]:
        """Return a memory zone, or nothing while new words are kept."""
        if len(self._nlp.vocab) < self._n_words_to_keep:
            return nullcontext()
        return self._nlp.memory_zone()

    def _find_problem(self, record: Record) -> str:
        if len(record.text) > self._nlp.max_length:
            return (
                f"the text has {len(record.text):,} characters, more than the pipeline's `max_length` of "
                f"{self._nlp.max_length:,}"
            )
        return ""

    def _annotate(
        self, records: Sequence[Record], bad: list[BadRecord], failures: list[Exception]
    ) -> list[tuple[Record, Doc]]:
        """Return the records with their Docs. Those that fail are added to the bad records, with their exceptions."""
        try:
            docs = list(self._nlp.pipe(map(self._make_input, records)))
            return list(zip(records, docs, strict=True))
        except Exception:
            annotated: list[tuple[Record, Doc]] = []
        for record in records:
            try:
                annotated.append((record, self._nlp(self._make_input(record))))
            except Exception as error:
                bad.append(BadRecord(record.place, f"{type(error).__name__}: {error}", record.id))
                failures.append(error)
        return annotated

    def _make_input(self, record: Record) -> str | Doc:
        """Return the text, or a Doc with the tokens that the source has."""
        if record.doc is None:
            return record.text
        words = [token.text for token in record.doc]
        spaces = [bool(token.whitespace_) for token in record.doc]
        return Doc(self._nlp.vocab, words=words, spaces=spaces)


def hash_pipeline(model: str) -> str:
    """Return a digest of all files of a pipeline.

    model: its path or the name of a package.
    RETURNS: the digest.
    RAISES: ValueError if there is no such pipeline.
    """
    path = find_pipeline(model)
    if not model or not (path / "meta.json").is_file():
        reason = f"{model} has no meta.json" if model and path.is_dir() else f"There is no pipeline '{model}'"
        raise ValueError(f"{reason}. Give the directory of a pipeline, or the name of an installed package.")
    digest = blake2b(digest_size=16)
    for file in sorted(path.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            name, content = file.relative_to(path).as_posix().encode("utf8"), file.read_bytes()
            for part in (name, content):
                digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _write(
    writer: PartWriter, annotated: list[tuple[Record, Doc]], bad: list[BadRecord], failures: list[Exception]
) -> list[tuple[Record, Doc]]:
    """Write Docs and return those that were written. The others become bad records, with their exceptions."""
    try:
        writer.add([record.id for record, _ in annotated], [doc for _, doc in annotated])
        return annotated
    except Exception:  # Such as that of a value in `doc._` that the format can't store.
        written: list[tuple[Record, Doc]] = []
    for record, doc in annotated:
        try:
            writer.add([record.id], [doc])
            written.append((record, doc))
        except Exception as error:
            reason = f"the annotation can't be written: {type(error).__name__}: {error}"
            bad.append(BadRecord(record.place, reason, record.id))
            failures.append(error)
    return written


def _find_confidences(nlp: Language, wanted: bool) -> list[str]:
    """Return the span groups that hold confidences, after turning confidences on if they are wanted."""
    groups: list[str] = []
    for _, pipe in nlp.pipeline:
        settings: Any = getattr(pipe, "cfg", None)
        if not isinstance(settings, dict) or "confidences" not in settings:
            continue
        if wanted and settings["confidences"] is None:
            settings["confidences"] = CONFIDENCES
        if settings["confidences"] is not None:
            groups.append(settings["confidences"])
    return groups


def _cut(records: Sequence[Record], max_characters: int) -> Iterator[Sequence[Record]]:
    """Cut records into runs that each end with the record that reaches a number of characters."""
    start = n_characters = 0
    for i, record in enumerate(records):
        n_characters += len(record.text)
        if n_characters >= max_characters:
            yield records[start : i + 1]
            start, n_characters = i + 1, 0
    if start < len(records):
        yield records[start:]
