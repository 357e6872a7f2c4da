"""What is written: columns of Parquet, keys of JSONL, Docs in spaCy's format."""

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_bilstm.annotation.targets import SCHEMA_VERSION, DocBinWriter, JsonlWriter, ParquetWriter
from spacy_bilstm.util.docbin import DocCollector, read_docs

REASON = "needs the extra 'annotate'"
NLP = spacy.blank("en")
WORDS = st.text(st.characters(codec="utf8", exclude_categories=["Z", "C"]), min_size=1, max_size=5)


def make_doc() -> Doc:
    """Return a Doc with every kind of annotation."""
    doc = Doc(
        NLP.vocab,
        words=["Zoë", "Smith", "saw", "価格", "."],
        spaces=[True, True, False, False, True],
        tags=["NNP", "NNP", "VBD", "NN", "."],
        pos=["PROPN", "PROPN", "VERB", "NOUN", "PUNCT"],
        morphs=["Number=Sing", "", "Tense=Past", "", ""],
        lemmas=["Zoë", "Smith", "see", "価格", "."],
        heads=[1, 2, 2, 3, 3],
        deps=["compound", "nsubj", "ROOT", "ROOT", "punct"],
        ents=["B-PER", "I-PER", "O", "B-MISC", "O"],
    )
    doc.cats = {"news": 0.75, "sport": 0.25}
    doc.spans["other"] = SpanGroup(doc, name="other", spans=[Span(doc, 1, 3, "X")])
    doc.spans["ner"] = SpanGroup(
        doc, name="ner", spans=[Span(doc, 0, 2, "PER"), Span(doc, 3, 4, "MISC")], attrs={"scores": [0.5, 0.25]}
    )
    return doc


def make_bare_doc() -> Doc:
    return Doc(NLP.vocab, words=["no", "annotation"])


EXPECTED = {
    "id": "7",
    "text": "Zoë Smith saw価格. ",
    "tokens": ["Zoë", "Smith", "saw", "価格", "."],
    "spaces": [True, True, False, False, True],
    "tags": ["NNP", "NNP", "VBD", "NN", "."],
    "pos": ["PROPN", "PROPN", "VERB", "NOUN", "PUNCT"],
    "morphs": ["Number=Sing", "", "Tense=Past", "", ""],
    "lemmas": ["Zoë", "Smith", "see", "価格", "."],
    "deps": ["compound", "nsubj", "ROOT", "ROOT", "punct"],
    "heads": [1, 2, 2, 3, 3],
    "sentence_starts": [0, 3],
    "entities": [
        {"start": 0, "end": 2, "start_char": 0, "end_char": 9, "label": "PER", "kb_id": None, "confidence": 0.5},
        {"start": 3, "end": 4, "start_char": 13, "end_char": 15, "label": "MISC", "kb_id": None, "confidence": 0.25},
    ],
    "spans": [
        {
            "group": "other",
            "start": 1,
            "end": 3,
            "start_char": 4,
            "end_char": 13,
            "label": "X",
            "confidence": None,
        }
    ],
    "cats": {"news": 0.75, "sport": 0.25},
}
BARE = {
    "id": "b",
    "text": "no annotation ",
    "tokens": ["no", "annotation"],
    "spaces": [True, True],
    **dict.fromkeys(("tags", "pos", "morphs", "lemmas", "deps", "heads", "sentence_starts")),
    "entities": [],
    "spans": [],
    "cats": {},
}


def write_jsonl(ids: list[str | int], docs: list[Doc], text: bool = True) -> list[dict[str, Any]]:
    writer = JsonlWriter(text, ["ner"])
    writer.add(ids, docs)
    return [json.loads(line) for line in writer.to_bytes().decode("utf8").splitlines()]


def write_parquet(tmp_path: Path, ids: list[str | int], docs: list[Doc], text: bool = True) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet", reason=REASON)
    writer = ParquetWriter(text, ["ner"])
    writer.add(ids, docs)
    (tmp_path / "a.parquet").write_bytes(writer.to_bytes())
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.schema.metadata[b"spacy-bilstm.schema_version"] == str(SCHEMA_VERSION).encode()
    return [row | {"cats": dict(row["cats"])} for row in table.to_pylist()]


def test_jsonl_has_all_annotation() -> None:
    assert write_jsonl([7, "b"], [make_doc(), make_bare_doc()]) == [EXPECTED, BARE]


def test_parquet_has_all_annotation(tmp_path: Path) -> None:
    assert write_parquet(tmp_path, [7, "b"], [make_doc(), make_bare_doc()]) == [EXPECTED, BARE]


def test_texts_are_only_written_if_wanted(tmp_path: Path) -> None:
    assert write_jsonl(["x"], [make_doc()], text=False)[0]["text"] is None
    assert write_parquet(tmp_path, ["x"], [make_doc()], text=False)[0]["text"] is None


@given(st.lists(st.lists(st.tuples(WORDS, st.booleans(), st.sampled_from("OBI"), st.booleans())), max_size=5))
def test_both_formats_agree_with_the_docs(
    tmp_path_factory: pytest.TempPathFactory, tokens: list[list[tuple[str, bool, str, bool]]]
) -> None:
    docs = []
    for rows in tokens:
        docs.append(Doc(NLP.vocab, words=[row[0] for row in rows], spaces=[row[1] for row in rows]))
        spans = []
        for i, (_, _, tag, _) in enumerate(rows):
            if tag == "B" or (tag == "I" and not spans):
                spans.append([i, i + 1])
            elif tag == "I" and spans[-1][1] == i:
                spans[-1][1] = i + 1
        docs[-1].set_ents([Span(docs[-1], start, end, "L") for start, end in spans])
        for i, (_, _, _, starts) in enumerate(rows[1:], start=1):
            docs[-1][i].is_sent_start = starts
    ids: list[str | int] = list(range(len(docs)))
    rows_written = write_jsonl(ids, docs)
    for row, doc in zip(rows_written, docs, strict=True):
        assert row["text"] == doc.text
        found = [(e["start"], e["end"], e["start_char"], e["end_char"], e["label"]) for e in row["entities"]]
        assert found == [(e.start, e.end, e.start_char, e.end_char, e.label_) for e in doc.ents]
        if doc.has_annotation("SENT_START") and len(doc):
            assert row["sentence_starts"] == [sent.start for sent in doc.sents]
        else:
            assert row["sentence_starts"] is None
    assert write_parquet(tmp_path_factory.mktemp("parquet"), ids, docs) == rows_written


def test_a_blocked_token_is_no_entity_and_ends_the_one_before_it(tmp_path: Path) -> None:
    doc = Doc(NLP.vocab, words=["a", "b", "c", "d"])
    doc.set_ents([Span(doc, 0, 2, "X")], blocked=[doc[2:3]], default="outside")
    first = Doc(NLP.vocab, words=["e"])
    first.set_ents([], blocked=[first[0:1]], default="outside")
    rows = write_jsonl([0, 1], [first, doc])
    assert rows[0]["entities"] == []
    assert [(e["start"], e["end"], e["label"]) for e in rows[1]["entities"]] == [(0, 2, "X")]
    assert write_parquet(tmp_path, [0, 1], [first, doc]) == rows


def test_no_docs_make_an_empty_table(tmp_path: Path) -> None:
    assert write_parquet(tmp_path, [], []) == []
    assert write_jsonl([], []) == []


def test_docs_are_stored_as_docbin_stores_them(tmp_path: Path) -> None:
    docs = [make_doc(), make_bare_doc(), Doc(NLP.vocab)]
    collector = DocCollector()
    for i, doc in enumerate(docs):
        collector.add(doc, i)
    ours = DocBin().from_bytes(collector.to_bytes())
    theirs = DocBin().from_bytes(DocBin(docs=docs, store_user_data=True).to_bytes())
    assert ours.strings | {""} >= theirs.strings
    for our_doc, their_doc in zip(ours.get_docs(Vocab()), theirs.get_docs(Vocab()), strict=True):
        assert our_doc.to_json() == their_doc.to_json()
        assert our_doc.user_data == their_doc.user_data
        assert [group.attrs for group in our_doc.spans.values()] == [g.attrs for g in their_doc.spans.values()]
    (tmp_path / "a.spacy").write_bytes(collector.to_bytes())
    again = read_docs(tmp_path / "a.spacy", Vocab())
    assert [doc.user_data["id"] for doc in again] == [0, 1, 2]
    assert again[0].to_json() == docs[0].to_json()


def test_docbin_targets_hold_the_ids() -> None:
    writer = DocBinWriter(False, [])
    writer.add(["a"], [make_doc()])
    (doc,) = DocBin().from_bytes(writer.to_bytes()).get_docs(Vocab())
    assert doc.user_data["id"] == "a"


@pytest.mark.parametrize("kind", [DocBinWriter, JsonlWriter])
def test_if_one_doc_cannot_be_stored_none_of_the_call_is(kind: type[DocBinWriter] | type[JsonlWriter]) -> None:
    docs = [make_doc(), make_bare_doc()]
    docs[1].cats = {"news": {1, 2}}  # type: ignore[dict-item]
    writer, other = kind(True, []), kind(True, [])
    with pytest.raises(TypeError):
        writer.add(["a", "b"], docs)
    for one in (writer, other):
        one.add(["c"], [make_doc()])
    assert writer.to_bytes() == other.to_bytes()
