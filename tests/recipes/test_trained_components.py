"""The recipes train a span categorizer, a lemmatizer and an entity linker on the shared tok2vec, end to end."""

import io
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from toy_spans import make_small_config, write_corpora

from spacy_bilstm.evaluation import evaluate

COMPONENTS = ["trainable_lemmatizer", "senter", "ner", "entity_linker", "spancat"]
# The score of each component in the report, and spaCy's name of it.
SHOWN = {"Spans 'sc' F": "spans_sc_f", "Lemmas": "lemma_acc", "Links F": "nel_micro_f"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with corpora and a knowledge base."""
    return write_corpora(tmp_path_factory.mktemp("corpora"))


@pytest.fixture(scope="module")
def nlp(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Language:
    """Return a pipeline that `spacy train` has trained with all these components, and loaded."""
    config = make_small_config(folder, *COMPONENTS)
    output = tmp_path_factory.mktemp("output")
    train(init_nlp(config), output, stdout=io.StringIO(), stderr=io.StringIO())
    return spacy.load(output / "model-last")


def test_the_components_listen_and_learn(nlp: Language) -> None:
    assert nlp.get_pipe("tok2vec").listening_components == COMPONENTS
    scores = nlp.meta["performance"]
    assert {name: scores[name] > 0.95 for name in SHOWN.values()} == dict.fromkeys(SHOWN.values(), True)


def test_a_text_gets_lemmas_nested_spans_and_links(nlp: Language) -> None:
    doc = nlp("The cowboys rode to Paris . We liked songs and boats .")
    assert [(ent.text, ent.label_, ent.kb_id_) for ent in doc.ents] == [("Paris", "PLACE", "Q2")]
    spans = {(span.text, span.label_) for span in doc.spans["sc"]}
    assert spans == {("songs and boats", "PAIR"), ("songs", "THING"), ("boats", "THING")}
    assert [token.lemma_ for token in doc[6:9]] == ["we", "like", "song"]


def test_the_report_has_their_scores(nlp: Language, folder: Path) -> None:
    headline = {row.name: row.estimate for row in evaluate(nlp, folder / "dev.spacy", n_resamples=10).scores.headline}
    for name, score in SHOWN.items():
        assert headline[name].value == pytest.approx(nlp.meta["performance"][score], abs=1e-6)
    assert headline["Links F of predicted entities"].value == pytest.approx(1.0)
    assert headline["Links F of predicted entities"].lower is not None


def test_a_sentence_component_annotates_for_the_linker_in_training(nlp: Language) -> None:
    assert nlp.config["training"]["annotating_components"] == ["tok2vec", "senter"]


def test_a_linker_alone_gets_sentences_from_rules_that_are_not_scored(folder: Path) -> None:
    config = make_small_config(folder, "entity_linker")
    assert config["nlp"]["pipeline"] == ["tok2vec", "sentencizer", "entity_linker"]
    assert config["training"]["annotating_components"] == ["sentencizer"]
    assert config["training"]["score_weights"]["sents_f"] is None
    assert config["training"]["score_weights"]["nel_micro_f"] == 1.0


@pytest.mark.parametrize(("kb", "message"), [(None, "the config names none"), ("nowhere", "no knowledge base in")])
def test_a_missing_knowledge_base_is_an_error_that_says_how_to_make_one(
    folder: Path, kb: str | None, message: str
) -> None:
    config = make_small_config(folder, "entity_linker")
    config["paths"]["kb"] = kb
    with pytest.raises(ValueError, match=rf"{message}.*InMemoryLookupKB.*--paths\.kb kb"):
        init_nlp(config)


def test_names_do_not_trade_places_if_links_are_learned() -> None:
    corpora = Path("unused")
    assert make_small_config(corpora, "ner")["training"]["batcher"]["swap_entities"] > 0
    assert make_small_config(corpora, "ner", "entity_linker")["training"]["batcher"]["swap_entities"] == 0


def test_texts_keep_their_case_if_lemmas_are_learned() -> None:
    corpora = Path("unused")
    assert make_small_config(corpora, "ner")["training"]["batcher"]["lower_case"] > 0
    assert make_small_config(corpora, "trainable_lemmatizer")["training"]["batcher"]["lower_case"] == 0
