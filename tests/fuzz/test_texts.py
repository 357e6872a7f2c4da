"""Any text: predictions alone are those in a batch, entities are possible, and docs can be stored.

The long form takes minutes: python -m pytest -m slow tests/fuzz/test_texts.py
"""

import random
from functools import cache

import pytest
from fuzz_pipelines import make_pipeline
from fuzzing import N_BLOCKS, get_block, run_cases
from hostile_texts import draw_text
from spacy.language import Language
from spacy.tokens import Doc
from toy_pipelines import assert_same_annotations, get_annotations

PIPES = ["bilstm_tagger", "bilstm_morphologizer", "bilstm_ner", "bilstm_textcat"]
KEY = "confident"


@cache
def get_pipeline() -> Language:
    return make_pipeline(PIPES, confidences=KEY)


def check_text(rng: random.Random) -> None:
    nlp = get_pipeline()
    texts = [draw_text(rng) for _ in range(rng.randint(2, 4))]
    if rng.random() < 0.02:  # Half of a character is no text: spaCy can't store it.
        with pytest.raises(UnicodeEncodeError):
            nlp(texts[0] + chr(rng.randint(0xD800, 0xDFFF)))
    batch = list(nlp.pipe(texts, batch_size=rng.choice([2, 100])))
    one = rng.randrange(len(texts))
    assert_same_annotations(get_annotations([nlp(texts[one])]), get_annotations([batch[one]]))
    for doc, text in zip(batch, texts, strict=True):
        assert doc.text == text
        check_entities(doc)
    if rng.random() < 0.05:
        restored = Doc(nlp.vocab).from_bytes(batch[0].to_bytes())
        assert get_annotations([restored]) == get_annotations(batch[:1])


def check_entities(doc: Doc) -> None:
    """Check that no entity starts or ends in whitespace, and that all have a probability."""
    assert not any(ent[0].is_space or ent[-1].is_space for ent in doc.ents)
    scores = doc.spans[KEY].attrs["scores"]
    assert len(scores) == len(doc.ents)
    assert all(0.0 <= score <= 1.0 + 1e-9 for score in scores)


def test_few_texts() -> None:
    run_cases("texts", check_text, range(40))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_many_texts(block: int) -> None:
    run_cases("texts", check_text, get_block(block, 25_000))
