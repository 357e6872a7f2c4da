"""Any file: it gives docs, or errors that name the file and the line; nothing else is raised or written.

The long form takes minutes: python -m pytest -m slow tests/fuzz/test_corpora.py
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blank_pipelines import cached_blank_pipelines
from fuzzing import N_BLOCKS, get_block, run_cases
from hostile_texts import ODD, SPACES, draw_character
from spacy.tokens import DocBin

from spacy_bilstm.corpora import CorpusReadError, Format, convert, read_corpus

TAGS = ["O", "B-X", "I-X", "L-X", "U-X", "S-X", "E-X", "B-Y", "I-", "B", "-X", "_", "-"]
FIELDS = [*TAGS, "#", "Ann", "1", "2", "1-2", "1.1", "0", "00", "NER=B-X", "Entity=(1-x", "Entity=1)", "np|ant", "A=b"]
# Pieces of all formats, so that a random sequence is sometimes almost a corpus.
SEPARATORS = [" ", " ", "\t", "\t", "\n", "\n", "\n\n", "\r", "\r\n", "\u00a0", "\u2028", "\x00"]
PIECES = [*FIELDS, *SEPARATORS, "🙂", "-DOCSTART-", "# newdoc", "# newpar", "# text = Ann left.", "="]
KEYS = ["text", "tokens", "spans", "label", "labels", "tags", "ner_tags", "cats", "answer", "options", "accept", "data",
        "annotations", "result", "start", "end", "type", "label_names", "_view_id", "pos_tags", "entities", "value",
        "start_offset", "end_offset", "id", "token_start", "token_end", "meta"]  # fmt: skip
VALUES = ["Ann left.", "", "B-X", "O", "reject", "labels", -100, 0, 1, 3, 10**20, 1e300, float("nan"), True, None]


@pytest.fixture(scope="module", autouse=True)
def _cached_blank_pipelines() -> Iterator[None]:
    with cached_blank_pipelines():
        yield


def draw_bytes(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return rng.randbytes(rng.randrange(60))
    return "".join(draw_character(rng) for _ in range(rng.randrange(40))).encode(rng.choice(["utf8", "utf16", "utf32"]))


def draw_pieces(rng: random.Random) -> bytes:
    pieces = [rng.choice(rng.choice([PIECES, PIECES, ODD, SPACES])) for _ in range(rng.randrange(40))]
    return "".join(pieces).encode()


def draw_columns(rng: random.Random) -> bytes:
    width = rng.randint(1, 5)
    separator, end = rng.choice(["\t", " "]), rng.choice(["\n", "\r\n", "\r"])
    rows = []
    for _ in range(rng.randint(1, 8)):
        n_fields = width if rng.random() < 0.95 else rng.randint(0, 6)
        fields = ["Ann", *(rng.choice(FIELDS) for _ in range(n_fields - 2)), rng.choice(TAGS)][-n_fields or 6 :]
        rows.append(separator.join(fields) if rng.random() < 0.85 else rng.choice(["", "# c", "-DOCSTART- O"]))
    return end.join(rows).encode()


def draw_treebank(rng: random.Random) -> bytes:
    lines = []
    for i in range(1, rng.randint(2, 8)):
        fields = [str(i), *(rng.choice(FIELDS) for _ in range(9))]
        plain = [str(i), "Ann", "_", rng.choice(["NOUN", "_", "X"]), "_", "_", str(rng.randint(0, i)), "dep", "_", "_"]
        row = [field if rng.random() < 0.1 else other for field, other in zip(fields, plain, strict=True)]
        lines.append("\t".join(row if rng.random() < 0.95 else row[: rng.randrange(10)]))
        if rng.random() < 0.2:
            lines.append(rng.choice(["", "# sent_id = a", "# newdoc", "# text = Ann", "1-2\tx" + "\t_" * 8, "x"]))
    return "\n".join(lines).encode()


def draw_value(rng: random.Random, depth: int) -> Any:
    kind = rng.random() * (3 if depth else 1)
    if kind < 1:
        return rng.choice(VALUES)
    if kind < 2:
        return [draw_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): draw_value(rng, depth - 1) for _ in range(rng.randrange(5))}


def draw_json(rng: random.Random) -> bytes:
    records = []
    for _ in range(rng.randint(1, 4)):
        record = draw_value(rng, 3)
        if isinstance(record, dict) and rng.random() < 0.7:
            record |= rng.choice([{"text": "Ann left."}, {"tokens": ["Ann", "left"]}, {"data": {"text": "Ann left."}}])
            record |= rng.choice([{}, {rng.choice(KEYS): [{"start": rng.randint(-2, 9), "end": 3, "label": "X"}]}])
            record |= rng.choice([{}, {rng.choice(KEYS): [[rng.randint(-2, 9), rng.randint(0, 12), "X"]]}])
        records.append(record)
    text = "\n".join(map(json.dumps, records)) if rng.random() < 0.7 else json.dumps(records, indent=1)
    if rng.random() < 0.1:
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice(['"', "\\ud83d", "}", "\x00", "nul", "1e999"]) + text[place + 1 :]
    return text.encode()


DRAW = {
    draw_bytes: list(Format),
    draw_pieces: list(Format),
    draw_columns: [Format.columns, Format.columns, Format.conllu],
    draw_treebank: [Format.conllu, Format.conllu, Format.columns],
    draw_json: [Format.jsonl],
}


def check_corpus(rng: random.Random, folder: Path) -> None:
    path, entities = folder / "in", None
    draw = rng.choice(list(DRAW))
    path.write_bytes(draw(rng))
    input_format = rng.choice(DRAW[draw])
    if input_format is Format.conllu and rng.random() < 0.2:
        entities = folder / "entities"
        path.write_bytes(b"# sent_id = a\n1\tAnn" + b"\t_" * 8 + b"\n" + path.read_bytes())
        entities.write_bytes(rng.choice([b"", b"# sent_id = a\nAnn B-X\n"]) + draw_columns(rng))
    sentences_per_doc = rng.choice([None, 1, 2])
    target = folder / "out.spacy"
    try:
        if rng.random() < 0.05:
            convert(path, target, input_format=input_format, entities=entities, sentences_per_doc=sentences_per_doc)
        else:
            corpus = read_corpus(
                path, input_format=input_format, entities=entities, sentences_per_doc=sentences_per_doc
            )
            assert corpus.docs
            DocBin(docs=corpus.docs).to_bytes()
    except CorpusReadError as error:
        message = str(error)
        assert message.startswith(str(path))
        for problem in error.problems.errors:
            assert any(str(problem).startswith(f"{file}, line {problem.line}: ") for file in (path, entities)), problem
        assert not target.exists()
    assert {file.name for file in folder.iterdir()} <= {"in", "entities", "out.spacy"}
    target.unlink(missing_ok=True)


def test_few_corpora(tmp_path: Path) -> None:
    run_cases("corpora", lambda rng: check_corpus(rng, tmp_path), range(400))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_many_corpora(block: int, tmp_path: Path) -> None:
    run_cases("corpora", lambda rng: check_corpus(rng, tmp_path), get_block(block, 140_000))
