"""Any file gives docs, or errors that name the file and the line; nothing else is raised."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin

from spacy_bilstm.corpora import CorpusReadError, Format, read_corpus

FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FIELDS = ["O", "B-X", "I-X", "_", "-", "#", "Ann", "1", "2", "1-2", "0", "00", "NER=B-X", "Entity=(1-x", "Entity=1)"]
# Pieces of all formats, so that a random sequence is sometimes almost a corpus.
SPACES = [" ", " ", "\t", "\t", "\n", "\n", "\r", "\r\n", "\u00a0", "\u2028", "\x00"]
PIECES = [*FIELDS, *SPACES, "🙂", "-DOCSTART-", "# newdoc", "="]
KEYS = ["text", "tokens", "spans", "label", "labels", "tags", "ner_tags", "cats", "answer", "options", "accept", "data",
        "annotations", "result", "start", "end", "type", "label_names", "_view_id", "pos_tags"]  # fmt: skip
values = st.recursive(
    st.sampled_from(["Ann left.", "", "B-X", "O", "reject", "labels", -100, 0, 1, 3, 1e300, True, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "in"


def check(path: Path, data: bytes, input_format: Format, entities: Path | None = None) -> None:
    path.write_bytes(data)
    error = None
    try:
        docs = read_corpus(path, input_format=input_format, entities=entities, sentences_per_doc=2).docs
    except CorpusReadError as raised:
        error = raised
    if error is None:
        assert docs
        DocBin(docs=docs).to_bytes()
    else:
        assert str(error).startswith(str(path))
        files = (path, entities)
        for problem in error.problems.errors:
            assert any(str(problem).startswith(f"{file}, line {problem.line}: ") for file in files)


@FAST
@given(st.binary(), st.sampled_from(Format))
def test_any_bytes(path: Path, data: bytes, input_format: Format) -> None:
    check(path, data, input_format)


@FAST
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.sampled_from(Format))
def test_any_pieces_of_corpora(path: Path, pieces: list[str], input_format: Format) -> None:
    check(path, "".join(pieces).encode(), input_format)


@FAST
@given(st.lists(st.lists(st.sampled_from(FIELDS), min_size=10, max_size=10), min_size=1, max_size=6))
@example([["1", "a", "_", "_", "_", "np|ant", "00", "_", "_", "_"]])
def test_any_fields_of_a_treebank(path: Path, rows: list[list[str]]) -> None:
    numbered = [[str(i), *row[1:]] if i % 3 else row for i, row in enumerate(rows, 1)]
    check(path, "\n".join("\t".join(row) for row in numbered).encode(), Format.conllu)


@FAST
@given(st.lists(st.sampled_from([*PIECES, "# sent_id = a\n", "Ann B-X\n"]), max_size=30))
def test_any_entities_to_merge(path: Path, pieces: list[str]) -> None:
    entities = path.with_name("entities")
    entities.write_text("".join(pieces), encoding="utf8", newline="")
    check(path, b"# sent_id = a\n1\tAnn" + b"\t_" * 8 + b"\n", Format.conllu, entities)


@FAST
@given(st.lists(values, min_size=1, max_size=4), st.booleans())
def test_any_json(path: Path, records: list[Any], lines: bool) -> None:
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records, indent=1)
    check(path, text.encode(), Format.jsonl)
