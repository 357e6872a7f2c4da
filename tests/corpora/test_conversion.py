"""Conversion: corpora of all formats become Docs and files, and an unreadable corpus raises all its problems."""

import os
import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm.corpora import CorpusReadError, convert, read_corpus

TREEBANK = """\
# sent_id = 1
# text = They don't leave Rio.
1\tThey\tthey\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tleave\tleave\tVERB\tVB\t_\t0\troot\t_\t_
5\tRio\tRio\tPROPN\tNNP\t_\t4\tobj\t_\tSpaceAfter=No
6\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\t_

# sent_id = 2
# text = Why?
1\tWhy\twhy\tADV\tWRB\t_\t0\troot\t_\tSpaceAfter=No
2\t?\t?\tPUNCT\t.\t_\t1\tpunct\t_\t_

"""
ENTITIES = "# sent_id = 1\nThey O\ndo B-X\nn't O\nleave O\nRio B-LOC\n. O\n\n# sent_id = 2\nWhy? O\n"
VOCAB = spacy.blank("en").vocab
CORPORA = os.environ.get("SPACY_BILSTM_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="SPACY_BILSTM_CORPORA does not name a folder of corpora")


def load(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(VOCAB))


@pytest.fixture
def treebank(tmp_path: Path) -> Path:
    (tmp_path / "in.conllu").write_text(TREEBANK, encoding="utf8")
    (tmp_path / "in.iob2").write_text(ENTITIES, encoding="utf8")
    return tmp_path / "in.conllu"


def test_the_docs_are_written_and_the_statistics_returned(treebank: Path, tmp_path: Path) -> None:
    result = convert(treebank, tmp_path / "new" / "out.spacy")
    assert result.to_rows() == [
        ("Documents", "2"),
        ("Sentences", "2"),
        ("Tokens", "8"),
        ("Types", "8"),
        ("Tags", "7"),
        ("Documents with missing entities", "2"),
    ]
    assert [warning.message[:31] for warning in result.warnings] == ["Every document has one sentence"]
    assert [doc.text for doc in load(tmp_path / "new" / "out.spacy")] == ["They don't leave Rio.", "Why?"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.spacy"]


def test_a_corpus_is_read_without_writing(treebank: Path) -> None:
    before = set(treebank.parent.iterdir())
    corpus = read_corpus(str(treebank))
    assert [doc.text for doc in corpus.docs] == ["They don't leave Rio.", "Why?"]
    assert set(treebank.parent.iterdir()) == before


def test_nothing_is_printed(treebank: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    convert(treebank, tmp_path / "out.spacy", entities=tmp_path / "in.iob2")
    assert capfd.readouterr() == ("", "")


def test_entities_of_another_file_are_merged(treebank: Path, tmp_path: Path) -> None:
    entities = tmp_path / "in.iob2"
    corpus = read_corpus(treebank, entities=entities)
    (warning,) = [warning for warning in corpus.warnings if warning.line]
    assert str(warning).startswith(f"{entities}, line 9: word 1 is 'Why?' here and 'Why' in the treebank.")
    first, second = corpus.docs
    assert [(ent.text, ent.label_) for ent in first.ents] == [("do", "X"), ("Rio", "LOC")]
    assert [token.ent_iob_ for token in first] == ["O", "B", "O", "O", "B", "O"]
    assert [token.ent_iob_ for token in second] == ["", ""]
    assert [token.head.i for token in first] == [3, 3, 3, 3, 3, 3]


def test_ignored_labels_are_read_as_outside_and_counted(treebank: Path, tmp_path: Path) -> None:
    result = convert(treebank, tmp_path / "out.spacy", entities=tmp_path / "in.iob2", ignore_labels=["X", "Y"])
    first, second = load(tmp_path / "out.spacy")
    assert [token.ent_iob_ for token in first] == ["O", "O", "O", "O", "B", "O"]
    assert [token.ent_iob_ for token in second] == ["", ""]
    assert result.ignored_entities == {"X": 1, "Y": 0}
    assert result.to_rows()[-4:] == [
        ("Entities LOC", "1"),
        ("Documents with missing entities", "1"),
        ("Entities X, read as outside", "1"),
        ("Entities Y, read as outside", "0"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.conll", "in O\nRio B-LOC\n"),
        ("in.txt", "Rio\tS-LOC\nNew\tB-LOC\nYork\tE-LOC\n"),
        ("in.jsonl", '{"text": "in Rio", "spans": [{"start": 3, "end": 6, "label": "LOC"}]}\n'),
    ],
)
def test_the_suffix_chooses_the_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_corpus(tmp_path / name).docs[0].ents[0].label_ == "LOC"


def test_a_format_and_a_scheme_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("Ann I-PER\nRio B-LOC\nMay B-X\n", encoding="utf8")
    corpus = read_corpus(tmp_path / "in.jsonl", input_format="columns", scheme="iob1")
    assert [ent.label_ for ent in corpus.docs[0].ents] == ["PER", "LOC", "X"]
    assert [warning for warning in corpus.warnings if warning.line] == []


def test_words_are_compared_with_another_corpus(treebank: Path, tmp_path: Path) -> None:
    (tmp_path / "dev.conll").write_text("They O\nleave O\nLima B-LOC\nLima B-LOC\n", encoding="utf8")
    convert(treebank, tmp_path / "train.spacy")
    statistics = convert(tmp_path / "dev.conll", tmp_path / "dev.spacy", against=tmp_path / "train.spacy").statistics
    assert (statistics.unseen_tokens, statistics.unseen_types) == (0.5, 1 / 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1\ta\n", "line 1: this line has 2 columns. CoNLL-U needs 10"),
        (b"", "has no sentences"),
        (b"\n\n", "has no sentences"),
        (b"\n\xff\xfe\x00", "line 2: this line is not UTF-8"),
        ((TREEBANK + "x\n\ny\n").encode(), "All 2 errors are in the exception's 'problems'"),
    ],
)
def test_an_unreadable_corpus_leaves_the_target_as_it_was(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "in.conllu").write_bytes(data)
    (tmp_path / "out.spacy").write_text("precious")
    with pytest.raises(CorpusReadError, match=message):
        convert(tmp_path / "in.conllu", tmp_path / "out.spacy")
    assert (tmp_path / "out.spacy").read_text() == "precious"


def test_the_exception_has_all_problems(tmp_path: Path) -> None:
    (tmp_path / "in.conllu").write_text(TREEBANK.replace("PROPN", "NAME") + "x\n\ny\n", encoding="utf8")
    with pytest.raises(CorpusReadError) as raised:
        read_corpus(tmp_path / "in.conllu")
    assert [error.line for error in raised.value.problems.errors] == [16, 18]
    assert [warning.line for warning in raised.value.problems.warnings] == [8]


def test_arguments_that_do_not_fit_are_refused(treebank: Path, tmp_path: Path) -> None:
    entities = tmp_path / "in.iob2"
    with pytest.raises(ValueError, match=r"into a corpus in CoNLL-U only, but .* is read as columns"):
        read_corpus(entities, entities=entities)
    with pytest.raises(ValueError, match="spaCy has no language 'nonesuch'"):
        read_corpus(treebank, lang="nonesuch")
    with pytest.raises(ValueError, match="'xml' is not a valid Format"):
        read_corpus(treebank, input_format="xml")
    with pytest.raises(ValueError, match="'bio' is not a valid Scheme"):
        read_corpus(treebank, scheme="bio")
    with pytest.raises(ValueError, match="A document can't have 0 sentences"):
        read_corpus(treebank, sentences_per_doc=0)


NESTED = {
    "in.jsonl": '{"text": "Bank of Rio left.", "spans": [[0, 11, "ORG"], [8, 11, "LOC"]]}\n'
    '{"text": "No.", "spans": []}\n',
    "in.conllu": "".join(
        f"{i}\t{form}\t_\t_\t_\t_\t_\t_\t_\t{misc}\n"
        for i, (form, misc) in enumerate(
            [("Bank", "Entity=(1-ORG"), ("of", "_"), ("Rio", "Entity=(2-LOC)1)"), ("left", "_"), (".", "_")], start=1
        )
    ),
}


def get_spans(doc: Doc, key: str = "sc") -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in doc.spans[key]]


@pytest.mark.parametrize("name", ["in.jsonl", "in.conllu"])
def test_overlapping_entities_are_in_a_group_of_spans_in_the_file_that_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(NESTED[name])
    result = convert(tmp_path / name, tmp_path / "out.spacy")
    doc, *others = load(tmp_path / "out.spacy")
    assert get_spans(doc) == [("Bank of Rio", "ORG"), ("Rio", "LOC")]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Bank of Rio", "ORG")]
    assert [get_spans(other) for other in others] == [[]] * len(others)
    rows = dict(result.to_rows())
    assert (rows["Spans LOC in sc"], rows["Spans ORG in sc"], rows["Overlapping spans"]) == ("1", "1", "2")
    assert rows["Longest span"] == "3"
    messages = [warning.message for warning in result.warnings]
    assert messages[-1].startswith("2 entities overlap others, the first ones in the text of line 1. doc.spans['sc']")


def test_columns_of_tags_that_share_labels_are_layers_of_entities(tmp_path: Path) -> None:
    path = tmp_path / "in.columns"
    path.write_text("Bank B-ORG B-LOC\nof I-ORG O\nRio I-ORG B-LOC\nleft O O\n\nOrg B-ORG O\n. O -\n\nAnn O B-ORG\n")
    first, second, third = read_corpus(path).docs
    assert get_spans(first) == [("Bank", "LOC"), ("Bank of Rio", "ORG"), ("Rio", "LOC")]
    assert [(ent.text, ent.label_) for ent in first.ents] == [("Bank of Rio", "ORG")]
    assert (get_spans(second), get_spans(third)) == ([("Org", "ORG")], [("Ann", "ORG")])
    assert [token.ent_iob_ for token in second] == ["B", ""]


def test_columns_of_tags_with_other_labels_such_as_chunks_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "in.columns").write_text("Ann NNP B-NP B-PER\nleft VBD B-VP O\n")
    (doc,) = read_corpus(tmp_path / "in.columns").docs
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ann", "PER")]
    assert dict(doc.spans) == {}


def test_entities_that_do_not_overlap_are_in_a_group_on_request(tmp_path: Path) -> None:
    (tmp_path / "in.columns").write_text("Ann B-PER\nleft O\nnow O\n\nNo -\n. -\n")
    first, second = read_corpus(tmp_path / "in.columns", spans_key="mine").docs
    assert get_spans(first, "mine") == [("Ann", "PER")]
    assert dict(second.spans) == {}  # Its entities are not annotated.
    assert [dict(doc.spans) for doc in read_corpus(tmp_path / "in.columns").docs] == [{}, {}]


@pytest.mark.parametrize("key", ["mine", None])
def test_the_group_keeps_its_spans_in_documents(tmp_path: Path, key: str | None) -> None:
    (tmp_path / "in.jsonl").write_text(NESTED["in.jsonl"] * 2)
    (doc,) = read_corpus(tmp_path / "in.jsonl", sentences_per_doc=9, spans_key=key).docs
    assert get_spans(doc, key or "sc") == [("Bank of Rio", "ORG"), ("Rio", "LOC")] * 2
    assert [span.start for span in doc.spans[key or "sc"]] == [0, 2, 7, 9]


def test_ignored_labels_are_removed_from_the_group_of_spans(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(NESTED["in.jsonl"])
    corpus = read_corpus(tmp_path / "in.jsonl", ignore_labels=["LOC"])
    assert get_spans(corpus.docs[0]) == [("Bank of Rio", "ORG")]
    assert corpus.ignored_entities == {"LOC": 1}


def test_mentions_that_a_multiword_token_cuts_are_not_in_the_group(tmp_path: Path) -> None:
    rows = [
        ("1-2", "del", "_"),
        ("1", "de", "Entity=(1-ORG"),
        ("2", "el", "Entity=(2-LOC"),
        ("3", "Rio", "Entity=2)1)"),
        ("4", "Rio", "Entity=(3-ORG(4-LOC)3)"),
    ]
    lines = [f"{id_}\t{form}\t_\t_\t_\t_\t_\t_\t_\t{misc}\n" for id_, form, misc in rows]
    (tmp_path / "in.conllu").write_text("".join(lines))
    corpus = read_corpus(tmp_path / "in.conllu")
    assert get_spans(corpus.docs[0]) == [("del Rio", "ORG"), ("Rio", "LOC"), ("Rio", "ORG")]
    (warning,) = [warning for warning in corpus.warnings if warning.line]
    assert "an entity starts or ends inside the multiword token 'del'" in warning.message


def test_overlapping_entities_of_another_file_are_merged(treebank: Path, tmp_path: Path) -> None:
    (tmp_path / "in.iob2").write_text(
        "# sent_id = 1\nThey B-X O\ndo O B-X\nn't O I-X\nleave O I-X\nRio B-LOC I-X\n. O O\n\n"
        "# sent_id = 2\nWhy O O\n? O O\n"
    )
    first, second = read_corpus(treebank, entities=tmp_path / "in.iob2").docs
    assert get_spans(first) == [("They", "X"), ("don't leave Rio", "X"), ("Rio", "LOC")]
    assert [(ent.text, ent.label_) for ent in first.ents] == [("They", "X"), ("don't leave Rio", "X")]
    assert get_spans(second) == []


def test_spans_have_identifiers_in_a_knowledge_base(tmp_path: Path) -> None:
    span = '{"start": 0, "end": 3, "label": "PER", "kb_id": "Q7"}'
    (tmp_path / "in.jsonl").write_text(f'{{"text": "Ada left Rio.", "spans": [{span}, [9, 12, "LOC"]]}}')
    convert(tmp_path / "in.jsonl", tmp_path / "out.spacy", spans_key="sc")
    (doc,) = load(tmp_path / "out.spacy")
    assert [(ent.label_, ent.kb_id_) for ent in doc.ents] == [("PER", "Q7"), ("LOC", "")]
    assert [span.kb_id_ for span in doc.spans["sc"]] == ["Q7", ""]
    assert [token.ent_iob_ for token in doc] == ["B", "O", "B", "O"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.jsonl", '{"text": "CATG", "spans": [[1, 4, "START"]]}'),
        ("in.tsv", "C\tO\nA\tB-START\nT\tI-START\nG\tI-START\n"),
    ],
)
def test_each_character_is_a_token_on_request(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (doc,) = read_corpus(tmp_path / name, lang="xx", characters=True).docs
    assert (doc.text, [token.text for token in doc]) == ("CATG", ["C", "A", "T", "G"])
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("ATG", "START")]


def write_groups(path: Path, marks: str) -> Path:
    """Write a treebank of five sentences; the marks are d for a new document, p for a new paragraph, - for none."""
    comments = {"d": "# newdoc\n", "p": "# newpar\n", "-": ""}
    sentences = (
        f"{comments[mark]}# sent_id = {i}\n"
        f"1\t{i}\t_\t_\t_\t_\t0\troot\t_\tSpaceAfter=No\n2\t.\t_\t_\t_\t_\t1\tx\t_\t_\n"
        for i, mark in enumerate(marks)
    )
    path.write_text("\n".join(sentences), encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("marks", "sentences_per_doc", "texts"),
    [
        ("-----", None, ["0.", "1.", "2.", "3.", "4."]),
        ("d--d-", None, ["0. 1. 2.", "3. 4."]),
        ("p-p--", None, ["0. 1.", "2. 3. 4."]),
        ("dpp-d", None, ["0. 1. 2. 3.", "4."]),
        ("--d--", None, ["0. 1.", "2. 3. 4."]),
        ("-----", 2, ["0. 1.", "2. 3.", "4."]),
        ("-----", 9, ["0. 1. 2. 3. 4."]),
        ("d--d-", 2, ["0. 1.", "2.", "3. 4."]),
        ("d--d-", 1, ["0.", "1.", "2.", "3.", "4."]),
    ],
)
def test_sentences_are_grouped_into_documents(
    tmp_path: Path, marks: str, sentences_per_doc: int | None, texts: list[str]
) -> None:
    path = write_groups(tmp_path / "in.conllu", marks)
    result = convert(path, tmp_path / "out.spacy", sentences_per_doc=sentences_per_doc)
    docs = load(tmp_path / "out.spacy")
    assert [doc.text for doc in docs] == texts
    assert [sentence.text for doc in docs for sentence in doc.sents] == ["0.", "1.", "2.", "3.", "4."]
    assert result.to_rows()[:2] == [("Documents", str(len(texts))), ("Sentences", "5")]
    warned = any("Every document has one sentence" in warning.message for warning in result.warnings)
    assert warned == (len(texts) == 5)


def test_entities_of_another_file_are_merged_into_documents(tmp_path: Path) -> None:
    path = write_groups(tmp_path / "in.conllu", "d--d-")
    (tmp_path / "in.iob2").write_text("".join(f"# sent_id = {i}\n{i} B-X\n. O\n\n" for i in (3, 1, 0, 4, 2)))
    corpus = read_corpus(path, entities=tmp_path / "in.iob2")
    assert [[ent.text for ent in doc.ents] for doc in corpus.docs] == [["0", "1", "2"], ["3", "4"]]
    assert corpus.warnings == []


def test_texts_of_a_json_file_are_joined_on_request_unless_they_have_categories(tmp_path: Path) -> None:
    lines = '{"tokens": ["Ann", "left"], "ner_tags": ["B-X", "O"]}\n{"tokens": ["No", "."], "ner_tags": ["O", "O"]}\n'
    (tmp_path / "in.jsonl").write_text(lines)
    (doc,) = read_corpus(tmp_path / "in.jsonl", sentences_per_doc=2).docs
    assert (doc.text, [ent.text for ent in doc.ents]) == ("Ann left No .", ["Ann"])
    (tmp_path / "in.jsonl").write_text(lines + '{"text": "a", "cats": {"X": 1}}\n{"text": "b"}\n')
    with pytest.raises(CorpusReadError, match="line 3: categories belong to a whole text"):
        read_corpus(tmp_path / "in.jsonl", sentences_per_doc=2)


def test_a_corpus_without_annotation_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "Ada left.", "persons": [[0, 3, "PER"]], "topics": []}\n' * 2)
    messages = [str(warning) for warning in convert(tmp_path / "in.jsonl", tmp_path / "out.spacy").warnings]
    assert messages[0].endswith("not read (in how many records): 'persons' (2).")
    assert f"{tmp_path / 'in.jsonl'}: Nothing is annotated" in messages[1]


@pytest.mark.parametrize("target", ["in.conllu", "in.iob2", "train.spacy", "other.conllu", "link.spacy"])
def test_no_other_file_is_overwritten(treebank: Path, tmp_path: Path, target: str) -> None:
    convert(treebank, tmp_path / "train.spacy")
    (tmp_path / "other.conllu").write_text("precious")
    (tmp_path / "link.spacy").symlink_to(treebank)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="Choose another target"):
        convert(treebank, tmp_path / target, entities=tmp_path / "in.iob2", against=tmp_path / "train.spacy")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_unwritable_target_is_refused_before_the_corpus_is_read(tmp_path: Path) -> None:
    (tmp_path / "in.conllu").write_text("not a treebank")
    with pytest.raises(OSError, match="can't be written"):
        convert(tmp_path / "in.conllu", tmp_path / "in.conllu" / "out.spacy")


@pytest.mark.parametrize(
    ("lang", "package"), [("ja", "sudachipy"), ("ko", "natto-py"), ("th", "pythainlp"), ("vi", "pyvi")]
)
def test_the_missing_package_of_a_language_is_named(treebank: Path, lang: str, package: str) -> None:
    if find_spec(package.split("-")[0]):
        pytest.skip(f"{package} is installed")
    with pytest.raises(ValueError, match=f"tokenizer for '{lang}' needs a package .* pip install {package}"):
        read_corpus(treebank, lang=lang)


@pytest.mark.parametrize("data", [b"", b"text", b"1\ta\n", zlib.compress(b"x"), zlib.compress(b"\x93\x01\x02\x03")])
def test_a_damaged_spacy_file_to_compare_with_is_refused(treebank: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "train.spacy").write_bytes(data)
    with pytest.raises(ValueError, match=r"train\.spacy is not in spaCy's binary format"):
        convert(treebank, tmp_path / "out.spacy", against=tmp_path / "train.spacy")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.jsonl", '{"text": "' + "a " * 500_001 + '"}'),
        ("in.conllu", "".join(f"{i}\t{'a' * 999}\t_\t_\t_\t_\t_\t_\t_\t_\n" for i in range(1, 1002))),
        ("in.iob2", "".join(f"{'a' * 999_999} O\n\n\n" if i == 1 else "a O\n\n" for i in range(4))),
    ],
)
def test_a_text_that_spacys_pipelines_refuse_is_an_error_with_its_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusReadError, match=r"line 1: (this text|the document that starts here) has 1,00\d,\d+ char"):
        read_corpus(tmp_path / name)


@needs_corpora
def test_english_ewt_keeps_the_text_of_its_sentences_and_gains_entities() -> None:
    treebank = Path(CORPORA or "") / "UD_English-EWT" / "en_ewt-ud-dev.conllu"
    entities = Path(CORPORA or "") / "UNER_English-EWT" / "en_ewt-ud-dev.iob2"
    corpus = read_corpus(treebank, entities=entities)
    assert len(corpus.warnings) == 3
    lines = treebank.read_text(encoding="utf8").split("\n")
    texts = [line[9:] for line in lines if line.startswith("# text = ")]
    assert [sentence.text for doc in corpus.docs for sentence in doc.sents] == texts
    assert len(corpus.docs) == sum(line.startswith("# newdoc") for line in lines)
    assert {ent.label_ for doc in corpus.docs for ent in doc.ents} == {"PER", "LOC", "ORG"}
    tagged = entities.read_text(encoding="utf8").count("\tB-")
    assert tagged - 10 <= sum(len(doc.ents) for doc in corpus.docs) <= tagged


@needs_corpora
def test_wnut17_is_read_without_a_problem() -> None:
    path = Path(CORPORA or "") / "WNUT17" / "emerging.dev.conll"
    corpus = read_corpus(path)
    assert [warning for warning in corpus.warnings if warning.line] == []
    rows = [line for line in path.read_text(encoding="utf8").split("\n") if line.strip()]
    assert [token.text for doc in corpus.docs for token in doc] == [row.split("\t")[0] for row in rows]
    assert sum(len(doc.ents) for doc in corpus.docs) == sum(row.split("\t")[1].startswith("B-") for row in rows)
