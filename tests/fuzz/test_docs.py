"""Any doc: presets, whitespace, sentence starts, span groups and foreign vocabs, in prediction and in training.

The long form takes minutes: python -m pytest -m slow tests/fuzz/test_docs.py
"""

import math
import random
from functools import cache

import numpy
import pytest
from fuzz_pipelines import make_pipeline, randomize
from fuzzing import N_BLOCKS, get_block, run_cases
from hostile_texts import draw_word
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Adam
from toy_pipelines import get_annotations

LABELS = ["GPE", "PERSON"]
KINDS = ["GPE", "PERSON", "FOREIGN", "blocked", "outside", "missing"]
KEY = "confident"
SPACE = ["\n", "\t", "\u00a0", "\u2028", "  "]


@cache
def get_pipeline(threshold: float, trained: bool = False) -> Language:
    nlp = make_pipeline(["bilstm_ner"], "xx", confidences=KEY, threshold=threshold)
    if trained:
        nlp.get_pipe("bilstm_ner").add_label("FOREIGN")
        randomize(nlp.get_pipe("bilstm_ner").model.get_ref("crf"))
    return nlp


def draw_doc(rng: random.Random, vocab: Vocab, words: list[str] | None = None) -> Doc:
    """Draw a doc with whitespace, and some with sentence starts, entities, blocked or missing tokens, or spans."""
    if words is None:
        words = [draw_word(rng)[:40] if rng.random() < 0.7 else rng.choice(SPACE) for _ in range(rng.randrange(9))]
    spaces = [rng.random() < 0.7 for _ in words]
    starts = [rng.choice([True, False, None]) for _ in words] if rng.random() < 0.5 else None
    doc = Doc(vocab, words=words, spaces=spaces, sent_starts=starts)
    spans: dict[str, list[Span]] = {"entities": [], "blocked": [], "outside": [], "missing": []}
    end = 0
    while end < len(doc) and rng.random() < 0.6:
        start = rng.randrange(end, len(doc))
        end = rng.randint(start + 1, min(len(doc), start + 3))
        kind = rng.choice(KINDS)
        spans[kind if kind in spans else "entities"].append(Span(doc, start, end, label="" if kind in spans else kind))
    doc.set_ents(**spans, default=rng.choice(["missing", "outside"]))
    if len(doc) and rng.random() < 0.3:
        some = [Span(doc, i, rng.randint(i + 1, len(doc)), label="GPE") for i in range(len(doc)) if rng.random() < 0.5]
        doc.spans[rng.choice([KEY, "incorrect", "other"])] = some
    return doc


def check_doc(rng: random.Random) -> None:
    nlp = get_pipeline(rng.choice([0.0, 0.0, 0.05, 0.5]))
    vocab = rng.choice([nlp.vocab, nlp.vocab, Vocab(strings=LABELS), Vocab(strings=[])])
    before = [draw_doc(rng, rng.choice([nlp.vocab, vocab])) for _ in range(rng.randint(1, 4))]
    docs, alone = [doc.copy() for doc in before], before[0].copy()
    tok2vec, ner = nlp.get_pipe("bilstm_tok2vec"), nlp.get_pipe("bilstm_ner")
    list(tok2vec.pipe(docs))
    try:
        ner.set_annotations(docs, ner.predict(docs))
    except ValueError as error:
        message = str(error)
        assert "has the vocab of another pipeline" in message
        assert any("GPE" not in doc.vocab.strings for doc in docs)
        assert [doc.to_array([ENT_IOB, ENT_TYPE]).tolist() for doc in docs] == [
            doc.to_array([ENT_IOB, ENT_TYPE]).tolist() for doc in before
        ]
        return
    ner(tok2vec(alone))
    assert get_annotations([alone]) == get_annotations(docs[:1])
    for doc, original in zip(docs, before, strict=True):
        check_annotation(original, doc)
    if not ner.cfg["threshold"] and vocab is nlp.vocab:
        check_k_best(nlp, before, docs, rng.randint(1, 4))


def check_annotation(before: Doc, doc: Doc) -> None:
    """Check that presets stay, that all tokens are annotated, and that all new entities are possible."""
    old, new = before.to_array([ENT_IOB, ENT_TYPE]), doc.to_array([ENT_IOB, ENT_TYPE])
    is_preset = (old[:, 0] == 1) | (old[:, 0] == 3)
    numpy.testing.assert_array_equal(new[is_preset], old[is_preset])
    assert (new[:, 0] != 0).all()
    for ent in doc.ents:
        if is_preset[ent.start]:
            continue
        assert not is_preset[ent.start : ent.end].any()
        assert not doc[ent.start].is_space
        assert not doc[ent.end - 1].is_space
        assert not any(before[i].is_sent_start for i in range(ent.start + 1, ent.end))
        assert ent.label_ in LABELS


def check_k_best(nlp: Language, before: list[Doc], docs: list[Doc], k: int) -> None:
    """Check that the best of k analyses is the prediction, and that probabilities are those of different analyses."""
    copies = [doc.copy() for doc in before]
    list(nlp.get_pipe("bilstm_tok2vec").pipe(copies))
    for doc, analyses in zip(docs, nlp.get_pipe("bilstm_ner").k_best(copies, k), strict=True):
        probabilities = [probability for probability, _ in analyses]
        assert 1 <= len(analyses) <= k
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0.0 < sum(probabilities) <= 1.0 + 1e-6
        spans = [[(ent.start, ent.end, ent.label_) for ent in ents] for _, ents in analyses]
        assert spans[0] == [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        assert all(one != other for i, one in enumerate(spans) for other in spans[:i])


def check_update(rng: random.Random) -> None:
    """Train with examples whose docs differ in presets, annotation, vocab and, sometimes, tokens."""
    nlp = get_pipeline(0.0, trained=True)
    ner, tok2vec = nlp.get_pipe("bilstm_ner"), nlp.get_pipe("bilstm_tok2vec")
    ner.cfg["incorrect_spans_key"] = rng.choice([None, "incorrect"])
    examples = []
    for _ in range(rng.randint(1, 3)):
        reference = draw_doc(rng, rng.choice([nlp.vocab, Vocab()]))
        words = [token.text for token in reference]
        if words and rng.random() < 0.3:
            words = Doc(nlp.vocab, words=["".join(words)]).text.split(" ") or words
        predicted = draw_doc(rng, nlp.vocab, [word for word in words if word])
        if len(predicted):  # spaCy's listener refuses empty docs in training (E203).
            examples.append(Example(predicted, reference))
    weights = {name: ner.model.get_ref("crf").get_param(name).copy() for name in ("transitions", "start", "end")}
    list(tok2vec.pipe([example.predicted for example in examples]))
    try:
        losses = ner.update(examples, sgd=None)
    except ValueError as error:
        message = str(error)
        assert "is a gold entity, but the span group" in message or "[E084]" in message  # E084: an unknown label
    else:
        assert math.isfinite(losses["bilstm_ner"])
        ner.finish_update(Adam(0.001))
    finally:
        for name, value in weights.items():
            ner.model.get_ref("crf").set_param(name, value)
        ner.cfg["incorrect_spans_key"] = None


def check_any(rng: random.Random) -> None:
    (check_update if rng.random() < 0.1 else check_doc)(rng)


def test_few_docs() -> None:
    run_cases("docs", check_any, range(60))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_many_docs(block: int) -> None:
    run_cases("docs", check_any, get_block(block, 28_000))
