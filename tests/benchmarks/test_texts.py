"""Texts for benchmarks: reading, joining and cutting."""

from pathlib import Path

import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin

from spacy_bilstm.benchmarks.texts import TextsError, cut_tokens, join_tokens, read_texts, split_texts, tokenize

TEXTS = ["She reads a book.", "Don't!", "He reads."]
tokenized = st.lists(st.lists(st.sampled_from(["a", "b ", "c "]), max_size=6), min_size=1).filter(any)


def write(path: Path) -> Path:
    if path.suffix == ".spacy":
        nlp = spacy.blank("en")
        DocBin(docs=[nlp.make_doc(text) for text in ["", *TEXTS]]).to_disk(path)
    elif path.suffix == ".jsonl":
        srsly.write_jsonl(path, [{"text": text, "id": 1} for text in ["", *TEXTS]])
    else:
        path.write_text("\n \n".join(TEXTS), encoding="utf8")
    return path


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".spacy"])
def test_texts_are_read_from_each_format(tmp_path: Path, suffix: str) -> None:
    assert read_texts(write(tmp_path / f"texts{suffix}")) == TEXTS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("texts.csv", "a", "ends in .txt, .jsonl, .spacy"),
        ("texts.txt", "\n \n", "holds no text"),
        ("texts.txt", b"\xff\xfe", "UTF-8"),
        ("texts.jsonl", '{"text": "a"}\n{"txt": "b"}', "Line 2 of .* has no text under 'text'"),
        ("texts.jsonl", "[1", "Line 1 of .* is not JSON"),
        ("texts.spacy", "no docs", "not in spaCy's binary format"),
        ("texts.spacy", b"\x78\x9c\x03\x00\x00\x00\x00\x01", "not in spaCy's binary format"),
        ("texts.jsonl", '{"text": "a"}\n{"text": "\\ud83d"}', "The text in line 2 of .* has an unpaired surrogate"),
    ],
)
def test_files_without_texts_are_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TextsError, match=message):
        read_texts(tmp_path / name)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_line_ends_separate_texts(tmp_path: Path, end: str) -> None:
    (tmp_path / "texts.txt").write_bytes(f"a\u2028b{end}c\x85d{end}".encode())
    (tmp_path / "texts.jsonl").write_bytes(f'{{"text": "a\u2028b"}}{end}{{"text": "c\x85d"}}{end}'.encode())
    assert read_texts(tmp_path / "texts.txt") == read_texts(tmp_path / "texts.jsonl") == ["a\u2028b", "c\x85d"]


def test_texts_are_tokenized_up_to_the_limit() -> None:
    assert tokenize(TEXTS, "en", None)[1] == ["Do", "n't", "!"]
    assert tokenize(TEXTS, "en", 5) == tokenize(TEXTS, "en", None)[:1]


@given(tokenized, st.integers(1, 20))
def test_joining_keeps_all_words_in_order(tokens: list[list[str]], n_words: int) -> None:
    joined = join_tokens(tokens, n_words)
    assert [token.strip() for text in joined for token in text] == [token.strip() for text in tokens for token in text]
    assert all(len(text) >= n_words for text in joined[:-1])
    assert "".join(map("".join, joined)).split() == " ".join(map("".join, tokens)).split()


@given(tokenized, st.integers(1, 20), st.integers(1, 60))
def test_pieces_have_the_wanted_length(tokens: list[list[str]], length: int, n_words: int) -> None:
    pieces = cut_tokens(tokens, length, n_words)
    assert {len(piece) for piece in pieces} == {length}
    assert len(pieces) == max(1, n_words // length)
    words = [token.strip() for text in tokens for token in text]
    assert [token.strip() for token in pieces[0]] == [words[i % len(words)] for i in range(length)]


@given(st.lists(st.lists(st.just("a"), max_size=2), max_size=50), st.integers(1, 12))
def test_parts_have_all_texts_in_order_and_about_the_same_size(texts: list[list[str]], n_parts: int) -> None:
    parts = split_texts(texts, n_parts)
    assert len(parts) == n_parts
    assert [text for part in parts for text in part] == texts
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
