"""Reading and writing .spacy files: damaged ones are refused with their name."""

from pathlib import Path

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, SpanGroup
from spacy.vocab import Vocab

from spacy_bilstm.util.docbin import DocCollector, StoredDocs, read_docs

VOCAB = spacy.blank("en").vocab


def test_the_docs_are_read(tmp_path: Path) -> None:
    DocBin(docs=[Doc(VOCAB, words=["a", "b"])]).to_disk(tmp_path / "x.spacy")
    assert [doc.text for doc in read_docs(tmp_path / "x.spacy", VOCAB)] == ["a b "]


USER_DATA = {
    ("._.", "custom", 0, None): ("a", 1),
    "numbers": numpy.array([[1.5, 2.5]], dtype="float16"),
    "nested": {"tuple": (1, (2, 3)), "text": "ü", "bytes": b"x", "none": None, "number": numpy.float32(0.5)},
}


def test_user_data_is_read_and_written_as_spacy_does(tmp_path: Path) -> None:
    docs = [Doc(VOCAB, words=["a"], user_data=USER_DATA), Doc(VOCAB, words=["b"]), Doc(VOCAB, words=[])]
    docs[0].spans["key"] = [docs[0][:1]]
    collector = DocCollector()
    for i, doc in enumerate(docs):
        collector.add(doc, i)
    stored = DocBin().from_bytes(collector.to_bytes())
    assert stored.user_data == DocBin(docs=docs, store_user_data=True).user_data
    (tmp_path / "x.spacy").write_bytes(collector.to_bytes())
    found = read_docs(tmp_path / "x.spacy", VOCAB)
    expected = list(DocBin().from_disk(tmp_path / "x.spacy").get_docs(VOCAB))
    assert repr([doc.user_data for doc in found]) == repr([doc.user_data for doc in expected])
    assert list(found[0].spans) == ["key"]


def test_stored_docs_are_made_one_by_one_in_any_order(tmp_path: Path) -> None:
    docs = [Doc(VOCAB, words=["a", "b"], tags=["X", "Y"]), Doc(VOCAB, words=[]), Doc(VOCAB, words=["c"], ents=["B-Z"])]
    docs[2].user_data["numbers"] = USER_DATA["numbers"]
    docs[2].spans["key"] = [docs[2][:1]]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "x.spacy")
    stored, vocab = StoredDocs(tmp_path / "x.spacy", Vocab()), Vocab()
    assert len(stored) == 3
    for i in (2, 0, 1, 2):
        expected = read_docs(tmp_path / "x.spacy", vocab)[i]
        assert stored[i].to_json() == expected.to_json()
        assert repr(stored[i].user_data) == repr(expected.user_data)


@settings(max_examples=40)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_other_content_is_refused_with_the_name_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kept: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.spacy"
    for content in (data, DocBin(docs=[Doc(VOCAB, words=["a", "b"])]).to_bytes()[:kept]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"damaged\.spacy is not in spaCy's binary format"):
            read_docs(path, VOCAB)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_docs(tmp_path / "x.spacy", VOCAB)


@pytest.mark.parametrize("identifier", [2**64 - 1, -(2**63), 2**64, -(2**63) - 1])
def test_an_id_beyond_64_bits_becomes_a_string(tmp_path: Path, identifier: int) -> None:
    collector = DocCollector()
    collector.add(Doc(VOCAB, words=["a"]), identifier)
    (tmp_path / "x.spacy").write_bytes(collector.to_bytes())
    (doc,) = read_docs(tmp_path / "x.spacy", VOCAB)
    assert doc.user_data["id"] == (identifier if -(2**63) <= identifier < 2**64 else str(identifier))


def test_a_doc_that_cannot_be_stored_is_not_added() -> None:
    collector, other = DocCollector(), DocCollector()
    docs = [Doc(VOCAB, words=["a"]) for _ in range(3)]
    docs[0].user_data["seen"] = {1}
    docs[1].cats = {"A": {1}}  # type: ignore[dict-item]
    docs[2].spans["key"] = SpanGroup(docs[2], attrs={"seen": {1}})
    for doc in docs:
        with pytest.raises(TypeError, match="set"):
            collector.add(doc, 1)
    for one in (collector, other):
        one.add(Doc(VOCAB, words=["a"]), 2)
    assert collector.to_bytes() == other.to_bytes()
