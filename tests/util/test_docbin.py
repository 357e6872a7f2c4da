"""Reading .spacy files: damaged ones are refused with their name."""

from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from spacy_bilstm.util.docbin import read_docs

VOCAB = spacy.blank("en").vocab


def test_the_docs_are_read(tmp_path: Path) -> None:
    DocBin(docs=[Doc(VOCAB, words=["a", "b"])]).to_disk(tmp_path / "x.spacy")
    assert [doc.text for doc in read_docs(tmp_path / "x.spacy", VOCAB)] == ["a b "]


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
