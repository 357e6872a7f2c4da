"""spaCy's components learn with one of our encoders in `spacy.Tok2Vec.v2`."""

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


@pytest.mark.parametrize(
    ("listens", "encode"), [(True, BILSTM), (False, GRU)], ids=["listener-BiLSTMEncoder", "standalone-RecurrentEncoder"]
)
@pytest.mark.parametrize("name", MODELS)
def test_a_stock_component_learns(name: str, listens: bool, encode: dict) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    if listens:
        nlp.add_pipe("tok2vec", config={"model": make_tok2vec(encode)})
    add_stock_pipe(nlp, name, LISTENER if listens else make_tok2vec(encode))
    optimizer = overfit(nlp, epochs=6)
    for _ in range(8):
        if nlp.evaluate(make_examples(nlp.vocab))[SCORES[name]] > 0.98:
            return
        update(nlp, optimizer, epochs=4)
    pytest.fail(f"The score is only {nlp.evaluate(make_examples(nlp.vocab))[SCORES[name]]}")
