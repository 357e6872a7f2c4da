"""Room cli: `spacy bilstm corpus`: an annotated corpus file becomes a `.spacy` file, with its statistics."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.tokens import Doc, DocBin
from wasabi import msg

from .conllu import CorpusError, read_docs
from .files import written_whole


def corpus(
    input_path: Annotated[Path, typer.Argument(help="Corpus in CoNLL-U", exists=True, dir_okay=False)],
    output_path: Annotated[Path, typer.Argument(help="The .spacy file to write", dir_okay=False)],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Code of the corpus's language, such as en")] = "en",
) -> None:
    """Convert a corpus to spaCy's binary format and print its statistics.

    Reads CoNLL-U: words and spaces, lemmas, coarse and fine tags, morphology, the tree where there is one, and
    entities from NER=B-TYPE, NER=I-TYPE and NER=O in the MISC column. Each sentence becomes a doc.
    """
    vocab = spacy.blank(lang).vocab
    try:
        with input_path.open(encoding="utf8") as lines:
            docs = list(read_docs(lines, vocab, str(input_path)))
    except (CorpusError, UnicodeDecodeError) as error:
        msg.fail("Nothing was written.", str(error), exits=1)
    if not docs:
        msg.fail("Nothing was written.", f"{input_path} holds no sentence.", exits=1)
    with written_whole(output_path) as draft:
        DocBin(docs=docs).to_disk(draft)
    _print_statistics(docs)
    msg.good(f"Wrote {output_path}")


def _print_statistics(docs: list[Doc]) -> None:
    tokens = [token for doc in docs for token in doc]
    counts = {
        "Sentences": len(docs),
        "Tokens": len(tokens),
        "Types": len({token.text for token in tokens}),
        "Tags": len({token.tag_ for token in tokens if token.tag_}),
    }
    entities = Counter(ent.label_ for doc in docs for ent in doc.ents)
    msg.table([*counts.items(), *((f"Entities {label}", n) for label, n in sorted(entities.items()))])
