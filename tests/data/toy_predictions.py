"""Corpora with predictions that are partly incorrect."""

import random

import spacy
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example
from toy_corpus import make_docs

from spacy_bilstm.evaluation.annotation import PredictedCorpus

CONFIDENCES = "sure"


def make_pipeline(*pipes: str) -> Language:
    """Return a pipeline to score predictions for. It is not trained."""
    nlp = spacy.blank("en")
    for pipe in pipes:
        nlp.add_pipe(pipe)
    if nlp.has_pipe("textcat") or nlp.has_pipe("textcat_multilabel"):
        for label in ("ANIMAL", "TRAVEL", "NEVER"):
            nlp.get_pipe(pipes[-1]).add_label(label)
    return nlp


def annotate_randomly(nlp: Language, seed: int, n_docs: int = 12) -> PredictedCorpus:
    """Return a corpus with random errors in all annotation."""
    rng = random.Random(seed)
    docs = make_docs(nlp.vocab, n_docs, seed)
    for doc in docs:
        doc.has_unknown_spaces = False
        for token in doc:
            token.lemma_ = token.lower_
        if rng.random() < 0.2:
            doc.set_ents([], missing=[doc[:2]], default="unmodified")
    return score_examples(nlp, [Example(add_errors(doc, rng), doc) for doc in docs], CONFIDENCES)


def score_examples(nlp: Language, examples: list[Example], confidences: str | None = None) -> PredictedCorpus:
    """Return examples as an annotated corpus with spaCy's scores."""
    return PredictedCorpus(examples, Scorer(nlp).score(examples), 1.0, confidences)


def add_errors(doc: Doc, rng: random.Random) -> Doc:
    """Return a copy of a doc with some errors in all annotation and, in some docs, with merged tokens."""
    result = doc.copy()
    for token in result:
        token.lemma_ = token.lower_
        if rng.random() < 0.3:
            token.tag_, token.pos_, token.lemma_ = "NN", "NOUN", "cat"
            token.set_morph("Number=Sing")
            token.dep_ = rng.choice(["dobj", "nsubj"])
    ents = [ent for ent in result.ents if rng.random() < 0.7]
    if rng.random() < 0.5 and not any(ent.start < 2 for ent in ents):
        ents.append(Span(result, 0, 2, label=rng.choice(["PERSON", "ORG"])))
    result.set_ents(ents)
    result.spans["sc"] = [span for span in result.spans["sc"] if rng.random() < 0.7]
    result.spans[CONFIDENCES] = list(result.ents)
    result.spans[CONFIDENCES].attrs["scores"] = [rng.random() for _ in result.ents]
    result.cats = {"ANIMAL": rng.random(), "TRAVEL": rng.random(), "NEVER": 0.1}
    if rng.random() < 0.3:
        with result.retokenize() as retokenizer:
            retokenizer.merge(result[1:3])
    return result
