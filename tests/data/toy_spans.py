"""Sentences with nested spans, lemmas and ambiguous names, and a knowledge base of what the names mean."""

import random
from pathlib import Path
from typing import Any

from spacy.kb import InMemoryLookupKB
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_bilstm.recipes import make_config

NOUNS = ["boats", "trains", "letters", "songs"]
CONTEXTS = {
    "Q1": ("The queen lived in {} .", "The {} museum shows old crowns ."),
    "Q2": ("The cowboys rode to {} .", "The {} ranch sells horses ."),
}


def make_docs(vocab: Vocab, n: int = 24, seed: int = 0) -> list[Doc]:
    """Return n docs of one sentence about Paris, and one about two nouns."""
    rng = random.Random(seed)
    docs = []
    for _ in range(n):
        place = rng.choice(list(CONTEXTS))
        sentence = rng.choice(CONTEXTS[place]).format("Paris").split()
        first, second = rng.sample(NOUNS, 2)
        words = [*sentence, "We", "liked", first, "and", second, "."]
        start = len(sentence)
        lemmas = [{"We": "we", "liked": "like", "The": "the"}.get(word, word) for word in words]
        lemmas = [lemma.removesuffix("s") if lemma in NOUNS else lemma for lemma in lemmas]
        doc = Doc(vocab, words=words, lemmas=lemmas, sent_starts=[i in (0, start) for i in range(len(words))])
        i = words.index("Paris")
        doc.set_ents([Span(doc, i, i + 1, "PLACE", kb_id=place)], default="outside")
        nouns = [(start + 2, start + 5, "PAIR"), (start + 2, start + 3, "THING"), (start + 4, start + 5, "THING")]
        doc.spans["sc"] = [Span(doc, *span) for span in nouns]
        docs.append(doc)
    return docs


def write_corpora(folder: Path) -> Path:
    """Write train.spacy, dev.spacy and the knowledge base `kb`."""
    for name, n, seed in (("train", 40, 0), ("dev", 12, 1)):
        DocBin(docs=make_docs(Vocab(), n, seed)).to_disk(folder / f"{name}.spacy")
    kb = InMemoryLookupKB(Vocab(), entity_vector_length=4)
    kb.add_entity(entity="Q1", freq=10, entity_vector=[1.0, 0.0, 1.0, 0.0])
    kb.add_entity(entity="Q2", freq=10, entity_vector=[0.0, 1.0, 0.0, -1.0])
    kb.add_alias(alias="Paris", entities=["Q1", "Q2"], probabilities=[0.5, 0.5])
    kb.to_disk(folder / "kb")
    return folder


def make_small_config(folder: Path, *pipeline: str) -> Config:
    """Return the config of a recipe with small layers and few steps, for the corpora in a folder."""
    config: Any = make_config("en", pipeline)
    config["paths"] |= {"train": str(folder / "train.spacy"), "dev": str(folder / "dev.spacy")}
    if "kb" in config["paths"]:
        config["paths"]["kb"] = str(folder / "kb")
    if "spancat" in pipeline:
        config["components"]["spancat"]["suggester"]["max_size"] = 3
    model = config["components"]["tok2vec"]["model"]
    model["embed"] |= {"width": 32, "attr_width": 32, "char_width": 8, "rows": [500, 100, 100, 100]}
    model["embed"]["identity_dropout"] = 0.0
    model["encode"]["width"] = 32
    training = config["training"]
    training |= {"max_steps": 80, "eval_frequency": 80, "patience": 0, "dropout": 0.0}
    training["batcher"]["max_sentences"] = 0
    training["batcher"]["batcher"] |= {"size": 130, "buffer": 40}
    training["optimizer"]["learn_rate"] |= {"initial_rate": 0.003, "warmup_steps": 5, "total_steps": 150}
    training["optimizer"]["use_averages"] = False
    return config
