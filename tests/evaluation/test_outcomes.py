"""The comparison of predicted with gold annotation."""

from spacy.tokens import Doc
from spacy.training import Example
from toy_predictions import make_pipeline, score_examples

from spacy_bilstm.evaluation.outcomes import Outcomes, compare_corpus, compare_entities, compare_tokens

WORDS = ["Anna", "met", "Bo", "."]


def test_missing_annotation_is_not_compared() -> None:
    nlp = make_pipeline("tagger", "ner", "textcat")
    doc = Doc(nlp.vocab, WORDS)
    assert compare_corpus(nlp, score_examples(nlp, [Example(doc, doc.copy())])) == Outcomes({}, [], [])


def test_split_and_merged_tokens_are_compared_with_the_gold_token() -> None:
    vocab = make_pipeline().vocab
    gold = Doc(vocab, ["gonna", "do", "it"], spaces=[True, True, False], tags=["A", "B", "C"])
    predicted = Doc(vocab, ["gon", "na", "do it"], spaces=[False, True, False], tags=["A", "X", "B"])
    outcomes = compare_tokens(Example(predicted, gold), "tag")
    assert outcomes.predicted == {(0, "A"), (0, "X")}
    assert outcomes.confusions == [(0, "A", "X")]
    assert outcomes.count() == (1, 1, 2)


def test_each_gold_entity_is_found_once() -> None:
    vocab = make_pipeline().vocab
    gold = Doc(vocab, ["Anna Bo"], ents=["B-PER"])
    predicted = Doc(vocab, ["Anna", "Bo"], spaces=[True, False], ents=["B-PER", "B-PER"])
    outcomes = compare_entities(Example(predicted, gold))
    assert [ent.text for ent in outcomes.correct] == ["Anna"]
    assert [ent.text for ent in outcomes.incorrect] == ["Bo"]
    assert outcomes.count() == (1, 1, 0)


def test_entities_are_counted_by_label() -> None:
    vocab = make_pipeline().vocab
    gold = Doc(vocab, WORDS, ents=["B-PER", "O", "B-PER", "O"])
    predicted = Doc(vocab, WORDS, ents=["B-PER", "B-ORG", "O", "O"])
    outcomes = compare_entities(Example(predicted, gold))
    assert (outcomes.count("PER"), outcomes.count("ORG"), outcomes.count()) == ((1, 0, 1), (0, 1, 0), (1, 1, 1))
    assert (outcomes.gold_labels, outcomes.predicted_labels) == (["PER", "PER"], ["PER", "ORG"])
