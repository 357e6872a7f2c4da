"""A run of `write_parts` in a process of its own, which tests kill."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_bilstm.annotation.parts import write_parts
from spacy_bilstm.annotation.records import BadRecord, Record
from spacy_bilstm.annotation.sources import read_texts

PART_SIZE = 7


def annotate_and_log(records: list[Record], log: Path) -> Iterable[Doc]:
    """Return a Doc for each record, and write to a log which were annotated."""
    vocab = Vocab()
    for record in records:
        yield Doc(vocab, words=record.text.split())
        with log.open("a") as file:
            file.write(f"{record.id}\n")


def make_stream(source: Path) -> list[Record | BadRecord]:
    """Return the records of the source, slowly enough to be killed in the middle."""
    return list(read_texts(source).read())


def run(source: Path, target: Path, log: Path, seconds: float = 0.0) -> None:
    """Annotate a source, and wait after each record."""

    def annotate(records: list[Record]) -> Iterable[Doc]:
        for doc in annotate_and_log(records, log):
            time.sleep(seconds)
            yield doc

    write_parts(make_stream(source), target, {"source": "x"}, annotate, part_size=PART_SIZE)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
