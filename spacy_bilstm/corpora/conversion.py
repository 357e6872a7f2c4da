"""Read annotated corpora, and convert them to spaCy's binary format."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..util.files import written_whole
from .corpus_file import CorpusFile
from .docs import make_doc
from .formats import FORMATS, Format, detect_format
from .problems import CorpusReadError, Problem, Problems
from .statistics import CorpusStatistics, count_corpus
from .tags import Scheme
from .treebank import read_treebank


@dataclass(frozen=True)
class AnnotatedCorpus:
    """A corpus that has been read.

    docs: its docs, one per sentence or text; at least one.
    warnings: the problems that leave annotation missing, or that change how a line is read.
    ignored_entities: the number of entities of each label that is read as outside.
    """

    docs: list[Doc]
    warnings: list[Problem]
    ignored_entities: dict[str, int]


@dataclass(frozen=True)
class ConversionResult:
    """The result of converting a corpus.

    statistics: the number of its docs, tokens, entities and so on.
    warnings: the problems that leave annotation missing, or that change how a line is read.
    ignored_entities: the number of entities of each label that is read as outside.
    """

    statistics: CorpusStatistics
    warnings: list[Problem]
    ignored_entities: dict[str, int]

    def to_rows(self) -> list[tuple[str, str]]:
        """Return the statistics and the ignored entities as the rows of a table.

        RETURNS: the name and the value of each.
        """
        ignored = sorted(self.ignored_entities.items())
        return self.statistics.to_rows() + [(f"Entities {label}, read as outside", f"{n:,}") for label, n in ignored]


def convert(
    input_path: str | Path,
    output_path: str | Path,
    *,
    lang: str = "en",
    input_format: Format | str | None = None,
    entities: str | Path | None = None,
    scheme: Scheme | str | None = None,
    ignore_labels: Collection[str] = (),
    against: str | Path | None = None,
    progress: bool = False,
) -> ConversionResult:
    """Convert an annotated corpus to spaCy's binary format.

    input_path: the corpus, a text file in UTF-8.
    output_path: the .spacy file to write. It is written only if the whole corpus can be read.
    lang: code of the language, such as "en".
    input_format: "conllu", "columns" or "jsonl"; None chooses by the suffix: .conllu, .jsonl, or columns for all
        others.
    entities: a file in columns whose entities replace those of a CoNLL-U corpus, matched by `sent_id`.
    scheme: the scheme of entity tags in columns and JSONL: "iob1", "iob2" (also BIO) or "biluo" (also BIOES); None
        detects it.
    ignore_labels: entity labels to read as outside.
    against: a .spacy file, such as the training corpus. The statistics then include the words that it does not have.
    progress: whether to show progress bars on stderr, if it is a terminal.
    RETURNS: the statistics, the warnings and the number of ignored entities.
    RAISES: CorpusReadError, with all problems, if the corpus can't be read or is empty; ValueError if there is no such
        language, format or scheme, or if `entities` is given for a format other than CoNLL-U; OSError if a file can't
        be opened or written.
    """
    seen_words = None if against is None else _read_words(Path(against))
    corpus = read_corpus(
        input_path,
        lang=lang,
        input_format=input_format,
        entities=entities,
        scheme=scheme,
        ignore_labels=ignore_labels,
        progress=progress,
    )
    with written_whole(Path(output_path)) as draft:
        DocBin(docs=corpus.docs).to_disk(draft)
    return ConversionResult(count_corpus(corpus.docs, seen_words), corpus.warnings, corpus.ignored_entities)


def read_corpus(
    path: str | Path,
    *,
    lang: str = "en",
    input_format: Format | str | None = None,
    entities: str | Path | None = None,
    scheme: Scheme | str | None = None,
    ignore_labels: Collection[str] = (),
    progress: bool = False,
) -> AnnotatedCorpus:
    """Read an annotated corpus into Docs, one per sentence or text.

    path: the corpus, a text file in UTF-8.
    lang: code of the language, such as "en".
    input_format: "conllu", "columns" or "jsonl"; None chooses by the suffix: .conllu, .jsonl, or columns for all
        others.
    entities: a file in columns whose entities replace those of a CoNLL-U corpus, matched by `sent_id`.
    scheme: the scheme of entity tags in columns and JSONL: "iob1", "iob2" (also BIO) or "biluo" (also BIOES); None
        detects it.
    ignore_labels: entity labels to read as outside.
    progress: whether to show progress bars on stderr, if it is a terminal.
    RETURNS: the Docs, the warnings and the number of ignored entities.
    RAISES: CorpusReadError, with all problems, if the corpus can't be read or is empty; ValueError if there is no such
        language, format or scheme, or if `entities` is given for a format other than CoNLL-U; OSError if a file can't
        be opened.
    """
    path = Path(path)
    input_format = detect_format(path) if input_format is None else Format(input_format)
    scheme = None if scheme is None else Scheme(scheme)
    nlp = _make_blank_pipeline(lang)
    problems = Problems()
    file = CorpusFile.read(path, problems, progress)
    if entities is None:
        texts = FORMATS[input_format].read(file, nlp, scheme)
    elif input_format is Format.conllu:
        texts = read_treebank(file, nlp, scheme, CorpusFile.read(Path(entities), problems))
    else:
        raise ValueError(
            f"Entities can be merged into a corpus in CoNLL-U only, but {path} is read as {input_format.value}."
        )
    docs = [doc for text in texts if (doc := make_doc(text, nlp.vocab, file)) is not None]
    if problems.errors:
        raise CorpusReadError(_describe_errors(path, problems.errors), problems)
    if not docs:
        raise CorpusReadError(f"{path} has no sentences.", problems)
    return AnnotatedCorpus(docs, problems.warnings, _ignore_entities(docs, ignore_labels))


def _make_blank_pipeline(lang: str) -> Language:
    try:
        return spacy.blank(lang)
    except ImportError as error:
        raise ValueError(f"spaCy has no language '{lang}'. {error}") from error


def _describe_errors(path: Path, errors: list[Problem]) -> str:
    others = f" All {len(errors):,} errors are in the exception's 'problems'." if len(errors) > 1 else ""
    return f"{path} can't be read. {errors[0]}{others}"


def _read_words(path: Path) -> set[str]:
    return {token.text for doc in DocBin().from_disk(path).get_docs(Vocab()) for token in doc}


def _ignore_entities(docs: list[Doc], labels: Collection[str]) -> dict[str, int]:
    """Make the entities of some labels outside, and count them."""
    counts = dict.fromkeys(labels, 0)
    for doc in docs:
        ignored = [ent for ent in doc.ents if ent.label_ in counts]
        for ent in ignored:
            counts[ent.label_] += 1
        doc.set_ents([], outside=ignored, default="unmodified")
    return counts
