"""spaCy's own components learn on `spacy.Tok2Vec.v2` with an encoder of ours, and nothing else of ours."""

import pytest
import spacy
from thinc.api import fix_random_seed
from toy_corpus import make_examples
from toy_pipelines import BILSTM, GRU, LISTENER, MODELS, add_stock_pipe, make_tok2vec, overfit, update

SCORES = {
    "tagger": "tag_acc",
    "morphologizer": "morph_acc",
    "senter": "sents_f",
    "parser": "dep_las",
    "ner": "ents_f",
    "spancat": "spans_sc_f",
    "textcat": "cats_score",
    "textcat_multilabel": "cats_score",
}


@pytest.mark.parametrize("encode", [BILSTM, GRU], ids=["BiLSTMEncoder", "RecurrentEncoder"])
@pytest.mark.parametrize("listens", [True, False], ids=["listener", "standalone"])
@pytest.mark.parametrize("name", MODELS)
def test_stock_component_overfits(name: str, listens: bool, encode: dict) -> None:
    """A stock component learns a few sentences, through a listener and with an encoder of its own."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    if listens:
        nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode)})
    add_stock_pipe(nlp, name, LISTENER if listens else make_tok2vec(encode))
    optimizer = overfit(nlp, epochs=6)
    for _ in range(8):
        if nlp.evaluate(make_examples(nlp.vocab))[SCORES[name]] > 0.98:
            return
        update(nlp, optimizer, epochs=4)
    pytest.fail(f"learnt no more than {nlp.evaluate(make_examples(nlp.vocab))[SCORES[name]]}")
