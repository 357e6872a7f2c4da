"""Sentences of a tiny English grammar, annotated for every trainable component of spaCy."""

import random
from pathlib import Path

from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab

PEOPLE = ["Anna", "Boris", "Clara", "David"]
PLACES = ["London", "Paris", "Oslo", "Rome"]
NOUNS = {"cat": "NN", "dog": "NN", "bird": "NN", "cats": "NNS", "dogs": "NNS", "birds": "NNS"}
ADJECTIVES = ["small", "red", "old"]
WORDS = {
    "the": ("DT", "DET", ""),
    "sees": ("VBZ", "VERB", "Tense=Pres"),
    "liked": ("VBD", "VERB", "Tense=Past"),
    "travels": ("VBZ", "VERB", "Tense=Pres"),
    "to": ("IN", "ADP", ""),
    ".": (".", "PUNCT", ""),
}
WORDS |= dict.fromkeys(ADJECTIVES, ("JJ", "ADJ", ""))
WORDS |= dict.fromkeys(PEOPLE + PLACES, ("NNP", "PROPN", "Number=Sing"))
WORDS |= {word: (tag, "NOUN", "Number=Sing" if tag == "NN" else "Number=Plur") for word, tag in NOUNS.items()}
LABELS = ["ANIMAL", "TRAVEL"]


def make_sentence(rng: random.Random, label: str) -> tuple[list[str], list[int], list[str]]:
    """Return the words, the heads (relative to the sentence) and the dependencies of a sentence for a label."""
    person = rng.choice(PEOPLE)
    if label == "TRAVEL":
        words = [person, "travels", "to", rng.choice(PLACES), "."]
        return words, [1, 1, 1, 2, 1], ["nsubj", "ROOT", "prep", "pobj", "punct"]
    verb = rng.choice(["sees", "liked"])
    words = [person, verb, "the", rng.choice(ADJECTIVES), rng.choice(list(NOUNS)), "."]
    return words, [1, 1, 4, 4, 1, 1], ["nsubj", "ROOT", "det", "amod", "dobj", "punct"]


def make_doc(vocab: Vocab, rng: random.Random) -> Doc:
    """Return a doc of one to three sentences for one label, with all annotations."""
    label = rng.choice(LABELS)
    words, heads, deps = [], [], []
    for _ in range(rng.randint(1, 3)):
        sentence = make_sentence(rng, label)
        heads += [len(words) + head for head in sentence[1]]
        words += sentence[0]
        deps += sentence[2]
    tags, pos, morphs = zip(*(WORDS[word] for word in words), strict=True)
    ents = ["B-PERSON" if word in PEOPLE else "B-GPE" if word in PLACES else "O" for word in words]
    doc = Doc(
        vocab, words=words, tags=list(tags), pos=list(pos), morphs=list(morphs), heads=heads, deps=deps, ents=ents
    )
    doc.cats = {name: float(name == label) for name in LABELS}
    doc.spans["sc"] = [Span(doc, token.i - 2, token.i + 1, label="NP") for token in doc if token.text in NOUNS]
    return doc


def make_docs(vocab: Vocab, n: int = 32, seed: int = 0) -> list[Doc]:
    """Return n annotated docs. The same seed gives the same docs."""
    rng = random.Random(seed)
    return [make_doc(vocab, rng) for _ in range(n)]


def make_examples(vocab: Vocab, n: int = 32, seed: int = 0) -> list[Example]:
    """Return n examples, each with a predicted doc without annotation."""
    return [Example(Doc(vocab, words=[token.text for token in doc]), doc) for doc in make_docs(vocab, n, seed)]


def write_docs(path: Path, n: int = 32, seed: int = 0) -> Path:
    """Write n annotated docs to a .spacy file and return its path."""
    DocBin(docs=make_docs(Vocab(), n, seed), store_user_data=True).to_disk(path)
    return path
