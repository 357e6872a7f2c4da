"""A small `bilstm_ner` that learns the names of the toy corpus."""

from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from toy_corpus import PEOPLE, PLACES, make_docs
from toy_pipelines import BILSTM, make_tok2vec

MODEL = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": make_tok2vec(BILSTM)}
KEY = "confident"
TEXTS = ["", *(doc.text for doc in make_docs(spacy.blank("xx").vocab, 12, seed=5)), "Anna", "\n"]
Entity = tuple[int, int, str]


def make_nlp(**settings: Any) -> Language:
    """Make a pipeline of one small `bilstm_ner`."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("bilstm_ner", config={"model": MODEL, **settings})
    return nlp


def get_ents(doc: Doc) -> list[Entity]:
    """Return the entities of a doc."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def get_gold(doc: Doc) -> list[Entity]:
    """Return the correct entities of a doc of the toy corpus."""
    labels = dict.fromkeys(PEOPLE, "PERSON") | dict.fromkeys(PLACES, "GPE")
    return [(token.i, token.i + 1, labels[token.text]) for token in doc if token.text in labels]


def get_scores(doc: Doc) -> list[float]:
    """Return the confidences of a doc's entities."""
    scores: list[float] = doc.spans[KEY].attrs["scores"]
    return scores


def make_long_examples(nlp: Language) -> list[Example]:
    """Make examples with entities of one to four tokens."""
    spans = {"LONG": ["x"], "LONGER": ["x", "y"], "LONGEST": ["x", "y", "z", "z"]}
    words, ents = ["a"], ["O"]
    for label, name in spans.items():
        words += [*name, "b", "a"]
        ents += [f"{'B' if i == 0 else 'I'}-{label}" for i in range(len(name))] + ["O", "O"]
    return [Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=ents)) for _ in range(4)]


def make_partial(example: Example, missing: list[int]) -> Example:
    """Make an example whose reference has no annotation for some tokens."""
    doc = example.reference.copy()
    kept = [ent for ent in doc.ents if not set(range(ent.start, ent.end)) & set(missing)]
    doc.set_ents(kept, missing=[doc[i : i + 1] for i in missing])
    return Example(example.predicted.copy(), doc)
