"""Scores on texts with other whitespace."""

import random
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from spacy_bilstm.experiments.whitespace import PERTURBATIONS, Perturbation, main, perturb, score_whitespace

VOCAB = spacy.blank("en").vocab
# A seventh of the words are entities of one or two words.
words = st.lists(st.sampled_from(["Oslo", "New York", "and", "then", "we", "saw", "it"]), max_size=30)


def make_doc(names: list[str]) -> Doc:
    doc = Doc(VOCAB, words=" ".join(names).split())
    starts = [len(" ".join(names[:i]).split()) for i in range(len(names))]
    ends = [start + len(name.split()) for start, name in zip(starts, names, strict=True)]
    spans = zip(starts, ends, names, strict=True)
    doc.set_ents([Span(doc, start, end, "LOC") for start, end, name in spans if name[0].isupper()])
    return doc


@pytest.fixture(scope="module")
def nlp() -> Language:
    """Return a pipeline that finds names only if their words are separated by a space."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "New York"}])  # type: ignore[attr-defined]
    return nlp


@settings(max_examples=50)
@given(words, st.sampled_from(list(PERTURBATIONS.values())), st.integers(0, 5))
def test_texts_and_entities_differ_only_in_whitespace(names: list[str], perturbation: Perturbation, seed: int) -> None:
    doc = make_doc(names)
    changed = perturb(doc, perturbation, random.Random(seed))
    assert changed.text.split() == doc.text.split()
    assert [(ent.text.split(), ent.label_) for ent in changed.ents] == [(ent.text.split(), "LOC") for ent in doc.ents]
    assert perturb(doc, perturbation, random.Random(seed)).text == changed.text


def test_each_perturbation_changes_the_spaces_that_it_names() -> None:
    doc = make_doc(["word"] * 1001)
    texts = {name: perturb(doc, change, random.Random(0)).text for name, change in PERTURBATIONS.items()}
    assert texts["every space doubled"].count("  ") == 1000
    assert 150 < texts["20 % no-break spaces"].count("\xa0") < 250
    assert 150 < texts["20 % tabs"].count("\t") < 250
    assert {len(line.split()) for line in texts["a newline every 8 words"].split("\n")} == {8, 1}


def test_the_pipeline_is_scored_on_each_version(nlp: Language) -> None:
    docs = [make_doc(["we", "saw", "New York"])]
    scores = score_whitespace(nlp, docs)
    assert list(scores) == ["as it is", *PERTURBATIONS]
    assert scores["as it is"].ents_f == 1.0
    assert scores["every space doubled"].ents_f == 0.0
    assert scores["a newline every 8 words"].ents_f == 1.0
    assert scores["as it is"].tag_acc is None


def test_the_program_prints_the_scores(
    nlp: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[make_doc(["we", "saw", "New York"])]).to_disk(tmp_path / "dev.spacy")
    monkeypatch.setattr("sys.argv", ["whitespace", str(tmp_path / "model"), str(tmp_path / "dev.spacy")])
    main()
    assert capsys.readouterr().out.splitlines()[:2] == ["as it is: ents_f 100.0", "every space doubled: ents_f 0.0"]
