"""The command `spacy bilstm corpus`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..corpora import CorpusReadError, Format, Problems, Scheme, convert
from ..corpora.formats import describe_default_formats
from .problems import print_problems


def corpus(
    input_path: Annotated[Path, typer.Argument(help="The annotated corpus", exists=True, dir_okay=False)],
    output_path: Annotated[Path, typer.Argument(help="The .spacy file to write", dir_okay=False)],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code of the corpus, such as en")] = "en",
    input_format: Annotated[Format | None, typer.Option("--format", "-f", help=describe_default_formats())] = None,
    entities: Annotated[
        Path | None,
        typer.Option(help="File in columns whose entities are merged into a CoNLL-U corpus by sent_id", exists=True),
    ] = None,
    scheme: Annotated[
        Scheme | None, typer.Option(help="Scheme of entity tags; iob2 is BIO, biluo is BIOES [detected]")
    ] = None,
    sentences_per_doc: Annotated[
        int,
        typer.Option(
            "--sentences-per-doc",
            "-n",
            min=0,
            help="Largest number of sentences in a document: 1 for single sentences, 0 for no limit",
        ),
    ] = 0,
    ignore_label: Annotated[
        list[str] | None, typer.Option(help="Entity label to read as outside; can be given several times")
    ] = None,
    spans_key: Annotated[
        str | None,
        typer.Option(help="Group of doc.spans for all entities, for a spancat [sc if entities overlap]"),
    ] = None,
    characters: Annotated[
        bool, typer.Option("--characters", help="Make each character a token, such as a base of DNA")
    ] = False,
    against: Annotated[
        Path | None, typer.Option(help="A .spacy file, such as the training corpus: count words not in it", exists=True)
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-V", help="List all problems, not only the first")] = False,
) -> None:
    """Convert a corpus to spaCy's binary format and print its statistics and problems.

    CoNLL-U: words and spaces, lemmas, coarse and fine tags, morphology, the tree if there is one, and entities from
    NER=B-TYPE, NER=I-TYPE and NER=O or Entity=(TYPE in the MISC column. Columns: tokens and entity tags, as in
    CoNLL-2003 and WNUT. JSONL and JSON: texts with spans, tokens with tags, categories, as exported by doccano, Label
    Studio and Prodigy.

    Entities that overlap are written to a group of spans, with all others.

    Each document that the file marks becomes a Doc, or each sentence or text if it marks none.

    A problem that leaves annotation missing is a warning. A line that can't be read is an error: nothing is written.
    """
    try:
        result = convert(
            input_path,
            output_path,
            lang=lang,
            input_format=input_format,
            entities=entities,
            scheme=scheme,
            sentences_per_doc=sentences_per_doc or None,
            ignore_labels=ignore_label or [],
            spans_key=spans_key,
            characters=characters,
            against=against,
            progress=True,
        )
    except CorpusReadError as error:
        print_problems(error.problems, verbose)
        hint = "Correct the errors above and run the command again." if error.problems.errors else str(error)
        msg.fail("Nothing was written.", hint, exits=1)
    except (ValueError, OSError) as error:
        msg.fail("Nothing was written.", str(error), exits=1)
    print_problems(Problems(warnings=[problem for problem in result.warnings if problem.line is not None]), verbose)
    msg.table(result.to_rows(), aligns=("l", "r"), max_col=60)
    for problem in result.warnings:
        if problem.line is None:
            msg.warn(problem.message)
    msg.good(f"Wrote {output_path}")
