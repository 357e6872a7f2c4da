"""Small components of every kind, new and initialised."""

from typing import Any

import spacy
from thinc.api import fix_random_seed
from toy_corpus import make_examples
from toy_pipelines import BILSTM, make_tok2vec

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bilstm_tok2vec": {},
    "bilstm_tagger": {"@architectures": "spacy.Tagger.v2"},
    "bilstm_morphologizer": {"@architectures": "spacy.Tagger.v2"},
    "bilstm_ner": {"@architectures": "spacy-bilstm.CRFTagger.v1"},
    "bilstm_textcat": {"@architectures": "spacy-bilstm.TextCat.v1", "exclusive_classes": True, "pooling": "attention"},
    "bilstm_textcat_multilabel": {
        "@architectures": "spacy-bilstm.TextCat.v1",
        "exclusive_classes": False,
        "pooling": "last",
    },
}


def make_pipe(name: str) -> Any:
    """Return a component that is not initialised."""
    nlp = spacy.blank("xx")
    model = make_tok2vec(BILSTM)
    if ARCHITECTURES[name]:
        model = ARCHITECTURES[name] | {"tok2vec": model}
    return nlp.add_pipe(name, config={"model": model})


def make_trained_pipe(name: str) -> Any:
    """Return an initialised component."""
    fix_random_seed(0)
    pipe = make_pipe(name)
    examples = make_examples(pipe.vocab)
    pipe.initialize(lambda: examples)
    return pipe


def store_all() -> dict[str, bytes]:
    """Return the bytes of all components, initialised."""
    return {name: make_trained_pipe(name).to_bytes(exclude=["vocab"]) for name in ARCHITECTURES}
