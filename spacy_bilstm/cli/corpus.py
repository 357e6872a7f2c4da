"""`spacy bilstm corpus`: annotated corpus files become a `.spacy` file, with statistics and all problems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, TypeVar

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from tqdm import tqdm
from wasabi import msg

from ..corpora.columns import read_columns, tagged_to_doc
from ..corpora.conllu import read_sentences, sentence_to_doc
from ..corpora.jsonl import read_jsonl
from ..corpora.merge import merge_entities
from ..corpora.problems import Problems
from ..corpora.statistics import count_corpus
from ..corpora.tags import Scheme
from ..util.files import written_whole

N_SHOWN = 5
_Item = TypeVar("_Item")


class Format(str, Enum):
    """The formats that a corpus is read from."""

    conllu = "conllu"
    columns = "columns"
    jsonl = "jsonl"


FORMATS = {".conllu": Format.conllu, ".jsonl": Format.jsonl}


def corpus(
    input_path: Annotated[Path, typer.Argument(help="The annotated corpus", exists=True, dir_okay=False)],
    output_path: Annotated[Path, typer.Argument(help="The .spacy file to write", dir_okay=False)],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Code of the corpus's language, such as en")] = "en",
    input_format: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="By default conllu for .conllu, jsonl for .jsonl, columns for all others"),
    ] = None,
    entities: Annotated[
        Path | None,
        typer.Option(help="File in columns whose entities join a CoNLL-U corpus by sent_id", exists=True),
    ] = None,
    scheme: Annotated[
        Scheme | None,
        typer.Option(
            help="Scheme of entity tags in columns and JSONL: iob2 is BIO too, biluo is BIOES too [from tags]"
        ),
    ] = None,
    ignore_label: Annotated[
        list[str] | None, typer.Option(help="Entity label to read as outside; may be given several times")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A .spacy file, such as the training corpus: count words not in it", exists=True)
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-V", help="List all problems, not the first ones only")
    ] = False,
) -> None:
    """Convert a corpus to spaCy's binary format and print its statistics and problems.

    CoNLL-U: words and spaces, lemmas, coarse and fine tags, morphology, the tree where there is one, and entities from
    NER=B-TYPE, NER=I-TYPE and NER=O in the MISC column. Columns: tokens and entity tags, as in CoNLL-2003 and WNUT.
    JSONL: texts with spans, tokens with tags, categories. Each sentence or text becomes a doc.

    A problem that leaves annotation missing is a warning. What cannot be read is an error, and nothing is written.
    """
    input_format = input_format or FORMATS.get(input_path.suffix, Format.columns)
    if entities and input_format is not Format.conllu:
        msg.fail(f"--entities joins a corpus in CoNLL-U, and {input_path} is read as {input_format.value}.", exits=1)
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        msg.fail(f"spaCy has no language '{lang}'.", str(error), exits=1)
    known_words = _read_words(against, nlp.vocab) if against else None
    problems = Problems()
    if input_format is Format.conllu:
        docs = _convert_conllu(input_path, entities, scheme, nlp.vocab, problems)
    elif input_format is Format.jsonl:
        docs = _convert_jsonl(input_path, scheme, nlp, problems)
    else:
        docs = _convert_columns(input_path, scheme, nlp.vocab, problems)
    ignored = _ignore_labels(docs, ignore_label or [])
    _print_problems(problems, verbose)
    if problems.errors:
        msg.fail("Nothing was written.", "Mend the errors above, then run the command again.", exits=1)
    if not docs:
        msg.fail("Nothing was written.", f"{input_path} holds no sentence.", exits=1)
    with written_whole(output_path) as draft:
        DocBin(docs=docs).to_disk(draft)
    rows = count_corpus(docs, known_words)
    rows += [(f"Entities {label}, read as outside", f"{n:,}") for label, n in sorted(ignored.items())]
    msg.table(rows, aligns=("l", "r"), max_col=60)
    msg.good(f"Wrote {output_path}")


def _convert_conllu(
    path: Path, entities: Path | None, scheme: Scheme | None, vocab: Vocab, problems: Problems
) -> list[Doc]:
    source = str(path)
    sentences = list(read_sentences(_progress(_read_lines(path, problems), "Read"), source, problems))
    if entities:
        tagged = read_columns(_read_lines(entities, problems), str(entities), problems, scheme)
        merge_entities(sentences, tagged, (source, str(entities)), problems)
    docs = (sentence_to_doc(sentence, vocab, source, problems) for sentence in _progress(sentences, "Convert"))
    return [doc for doc in docs if doc is not None]


def _convert_columns(path: Path, scheme: Scheme | None, vocab: Vocab, problems: Problems) -> list[Doc]:
    source = str(path)
    sentences = read_columns(_read_lines(path, problems), source, problems, scheme)
    return [tagged_to_doc(sentence, vocab, source, problems) for sentence in _progress(sentences, "Convert")]


def _convert_jsonl(path: Path, scheme: Scheme | None, nlp: Language, problems: Problems) -> list[Doc]:
    lines = _progress(_read_lines(path, problems), "Convert")
    return list(read_jsonl(lines, nlp, str(path), problems, scheme))


def _read_lines(path: Path, problems: Problems) -> list[str]:
    data = path.read_bytes()
    try:
        # Python's splitlines() would also split at characters that a token may hold.
        return data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.error(str(path), line, f"not UTF-8, in which corpora are written: {error}.")
        return []


def _read_words(path: Path, vocab: Vocab) -> set[str]:
    return {token.text for doc in DocBin().from_disk(path).get_docs(vocab) for token in doc}


def _ignore_labels(docs: list[Doc], labels: list[str]) -> dict[str, int]:
    """Make the entities of some labels outside, and count them."""
    counts = dict.fromkeys(labels, 0)
    for doc in docs:
        ignored = [ent for ent in doc.ents if ent.label_ in counts]
        for ent in ignored:
            counts[ent.label_] += 1
        doc.set_ents([], outside=ignored, default="unmodified")
    return counts


def _print_problems(problems: Problems, verbose: bool) -> None:
    for name, found, show in (("warning", problems.warnings, msg.warn), ("error", problems.errors, msg.fail)):
        if found:
            show(f"{len(found):,} {name}{'s' if len(found) > 1 else ''}")
        shown = found if verbose else found[:N_SHOWN]
        for problem in shown:
            typer.echo(f"  {problem}")
        if len(shown) < len(found):
            typer.echo(f"  ... and {len(found) - len(shown):,} more: list them all with --verbose.")


def _progress(items: Sequence[_Item], what: str) -> Iterable[_Item]:
    progress: Iterable[_Item] = tqdm(items, desc=what, disable=None, leave=False)
    return progress
