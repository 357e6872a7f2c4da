"""Read annotated corpora, and convert them to spaCy's binary format."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from ..util.char_tokenizer import CharTokenizer
from ..util.docbin import read_docs
from ..util.files import atomic_write, check_writable
from .checks import check_docs
from .corpus_file import CorpusFile
from .documents import group_sentences, make_document
from .formats import FORMATS, Format, detect_format
from .problems import CorpusReadError, Problem, Problems
from .spans import SPANS_KEY, count_overlapping
from .statistics import CorpusStatistics, count_corpus
from .tags import Scheme
from .treebank import read_treebank

# The packages that spaCy's tokenizers of some languages import.
PACKAGES = {"ja": "sudachipy sudachidict_core", "ko": "natto-py", "th": "pythainlp", "vi": "pyvi"}


@dataclass(frozen=True)
class AnnotatedCorpus:
    """A corpus that has been read.

    docs: its docs, at least one.
    warnings: the problems that leave annotation missing, or that change how a line is read. Those that concern the
        corpus as a whole, such as that nothing is annotated, have no line.
    ignored_entities: the number of entities of each label that is read as outside.
    """

    docs: list[Doc]
    warnings: list[Problem]
    ignored_entities: dict[str, int]


@dataclass(frozen=True)
class ConversionResult:
    """The result of converting a corpus.

    statistics: the number of its docs, tokens, entities and so on.
    warnings: the problems that leave annotation missing, or that change how a line is read. Those that concern the
        corpus as a whole, such as that nothing is annotated, have no line.
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
    sentences_per_doc: int | None = None,
    ignore_labels: Collection[str] = (),
    spans_key: str | None = None,
    characters: bool = False,
    against: str | Path | None = None,
    progress: bool = False,
) -> ConversionResult:
    """Convert an annotated corpus to spaCy's binary format.

    input_path: the corpus, a text file in UTF-8.
    output_path: the .spacy file to write. It is written only if the whole corpus can be read. An existing file with
        another suffix and the files that are read are refused.
    lang: code of the language, such as "en".
    input_format: "conllu", "columns" or "jsonl", which also reads JSON; None chooses by the suffix: .conllu, .jsonl
        or .json, or columns for all others.
    entities: a file in columns whose entities replace those of a CoNLL-U corpus, matched by `sent_id`.
    scheme: the scheme of entity tags: "iob1", "iob2" (also BIO) or "biluo" (also BIOES); None detects it.
    sentences_per_doc: the largest number of sentences in a document; 1 makes each sentence a document. None groups
        sentences by the documents or, without them, the paragraphs that the file marks; in a file without marks, each
        sentence or text is a document.
    ignore_labels: entity labels to read as outside.
    spans_key: the group of `doc.spans` that all entities are written to, also those that overlap; None writes the group
        "sc" if entities overlap.
    characters: whether each character is a token: texts of a JSONL file are split into them, and no space follows the
        tokens of a file in columns. Otherwise, the tokenizer of the language splits texts.
    against: a .spacy file, such as the training corpus. The statistics then include the words that it does not have.
    progress: whether to show progress bars on stderr, if it is a terminal.
    RETURNS: the statistics, the warnings and the number of ignored entities.
    RAISES: CorpusReadError, with all problems, if the corpus can't be read or is empty; ValueError if there is no such
        language, format or scheme, if `entities` is given for a format other than CoNLL-U, if `against` is not a .spacy
        file or if the target is refused; OSError if a file can't be opened or written.
    """
    output_path = Path(output_path)
    _check_target(output_path, [Path(path) for path in (input_path, entities, against) if path is not None])
    seen_words = None if against is None else {token.text for doc in read_docs(against, Vocab()) for token in doc}
    corpus = read_corpus(
        input_path,
        lang=lang,
        input_format=input_format,
        entities=entities,
        scheme=scheme,
        sentences_per_doc=sentences_per_doc,
        ignore_labels=ignore_labels,
        spans_key=spans_key,
        characters=characters,
        progress=progress,
    )
    with atomic_write(output_path) as draft:
        DocBin(docs=corpus.docs).to_disk(draft)
    return ConversionResult(count_corpus(corpus.docs, seen_words), corpus.warnings, corpus.ignored_entities)


def read_corpus(
    path: str | Path,
    *,
    lang: str = "en",
    input_format: Format | str | None = None,
    entities: str | Path | None = None,
    scheme: Scheme | str | None = None,
    sentences_per_doc: int | None = None,
    ignore_labels: Collection[str] = (),
    spans_key: str | None = None,
    characters: bool = False,
    progress: bool = False,
) -> AnnotatedCorpus:
    """Read an annotated corpus into Docs.

    path: the corpus, a text file in UTF-8.
    lang: code of the language, such as "en".
    input_format: "conllu", "columns" or "jsonl", which also reads JSON; None chooses by the suffix: .conllu, .jsonl
        or .json, or columns for all others.
    entities: a file in columns whose entities replace those of a CoNLL-U corpus, matched by `sent_id`.
    scheme: the scheme of entity tags: "iob1", "iob2" (also BIO) or "biluo" (also BIOES); None detects it.
    sentences_per_doc: the largest number of sentences in a document; 1 makes each sentence a document. None groups
        sentences by the documents or, without them, the paragraphs that the file marks; in a file without marks, each
        sentence or text is a document.
    ignore_labels: entity labels to read as outside.
    spans_key: the group of `doc.spans` that all entities are written to, also those that overlap; None writes the group
        "sc" if entities overlap.
    characters: whether each character is a token: texts of a JSONL file are split into them, and no space follows the
        tokens of a file in columns. Otherwise, the tokenizer of the language splits texts.
    progress: whether to show progress bars on stderr, if it is a terminal.
    RETURNS: the Docs, the warnings and the number of ignored entities.
    RAISES: CorpusReadError, with all problems, if the corpus can't be read or is empty; ValueError if there is no such
        language, format or scheme, or if `entities` is given for a format other than CoNLL-U; OSError if a file can't
        be opened.
    """
    path = Path(path)
    input_format = detect_format(path) if input_format is None else Format(input_format)
    scheme = None if scheme is None else Scheme(scheme)
    if sentences_per_doc is not None and sentences_per_doc < 1:
        raise ValueError(f"A document can't have {sentences_per_doc} sentences. Use 1 or more.")
    nlp = _make_blank_pipeline(lang)
    if characters:
        nlp.tokenizer = CharTokenizer(nlp.vocab)
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
    sentences = list(texts)
    n_overlapping = {text.line: n for text in sentences if text.spans and (n := count_overlapping(text.spans))}
    if n_overlapping and spans_key is None:
        spans_key = SPANS_KEY
    groups = group_sentences(sentences, sentences_per_doc)
    docs = [doc for group in groups if (doc := make_document(group, nlp.vocab, file, spans_key)) is not None]
    if problems.errors:
        raise CorpusReadError(_describe_errors(path, problems.errors), problems)
    if not docs:
        raise CorpusReadError(f"{path} has no sentences.", problems)
    for message in check_docs(docs, count_corpus(docs)):
        file.warn(None, message)
    if n_overlapping:
        file.warn(
            None,
            f"{sum(n_overlapping.values()):,} entities overlap others, the first ones in the text of line "
            f"{min(n_overlapping)}. doc.spans['{spans_key}'] has all of them, doc.ents only some that do not overlap.",
        )
    return AnnotatedCorpus(docs, problems.warnings, _ignore_entities(docs, ignore_labels, spans_key))


def _check_target(target: Path, inputs: Sequence[Path]) -> None:
    """Refuse a target that would replace another file than an earlier conversion, or that can't be written."""
    for path in inputs:
        if target.exists() and path.exists() and target.samefile(path):
            raise ValueError(f"{target} is also a file to read. Choose another target.")
    if target.is_file() and target.suffix != ".spacy":
        raise ValueError(f"{target} exists and is not a .spacy file. Choose another target.")
    check_writable(target)


def _make_blank_pipeline(lang: str) -> Language:
    try:
        get_lang_class(lang)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"spaCy has no language '{lang}'. {error}") from error
    try:
        return spacy.blank(lang)
    except ImportError as error:
        packages = PACKAGES.get(lang)
        fix = f"Install it with: pip install {packages}" if packages else "Install it."
        raise ValueError(f"spaCy's tokenizer for '{lang}' needs a package that is missing. {fix} ({error})") from error


def _describe_errors(path: Path, errors: list[Problem]) -> str:
    others = f" All {len(errors):,} errors are in the exception's 'problems'." if len(errors) > 1 else ""
    return f"{path} can't be read. {errors[0]}{others}"


def _ignore_entities(docs: list[Doc], labels: Collection[str], spans_key: str | None) -> dict[str, int]:
    """Make the entities of some labels outside, remove them from the group of spans, and count them."""
    counts = dict.fromkeys(labels, 0)
    for doc in docs:
        entities = list(doc.ents if spans_key is None else doc.spans.get(spans_key, doc.ents))
        for entity in entities:
            if entity.label_ in counts:
                counts[entity.label_] += 1
        if spans_key is not None and spans_key in doc.spans:
            doc.spans[spans_key] = [entity for entity in entities if entity.label_ not in counts]
        doc.set_ents([], outside=[ent for ent in doc.ents if ent.label_ in counts], default="unmodified")
    return counts
