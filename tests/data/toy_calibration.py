"""Entity recognisers whose confidences or threshold do not fit, and docs to fit them to."""

from collections.abc import Callable
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

NAMES = ["Ada", "Grace", "Alan", "Kurt", "Emmy", "Max"]
WORDS = ["the", "a", "bank", "river", "will", "mark", "rose", "may", "art", "hope"]


def make_docs(vocab: Vocab, n_docs: int, incorrect: int | None = None) -> list[Doc]:
    """Return docs with a name. It is a person, except in every `incorrect`-th doc, with nothing to tell these apart."""
    docs = []
    for i in range(1, n_docs + 1):
        words = [WORDS[i % 10], NAMES[i % 6], WORDS[(i // 3) % 10], "."]
        is_person = incorrect is None or i % incorrect != 0
        docs.append(Doc(vocab, words=words, ents=["O", "B-PER" if is_person else "O", "O", "O"]))
    return docs


def make_ambiguous_docs(vocab: Vocab) -> list[Doc]:
    """Return docs of a name only, 20 of each name. Three names are persons in 9 of them, the others in 15 of them."""
    is_person = [(name, i < n) for j, name in enumerate(NAMES) for n in [(9, 15)[j % 2]] for i in range(20)]
    return [Doc(vocab, words=[name], ents=["B-PER" if person else "O"]) for name, person in is_person]


def train(make: Callable[[Vocab], list[Doc]]) -> Language:
    """Train a shared tok2vec and an entity recogniser `ner` on docs."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    encode = {"@architectures": "spacy-bilstm.BiLSTMEncoder.v1", "width": 16}
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 16, "attrs": ["NORM"], "rows": [100]}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed | {"include_static_vectors": False}}
    nlp.add_pipe("tok2vec", config={"model": tok2vec | {"encode": encode}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
    model = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": listener}
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": model})
    examples = make_examples(nlp, make(nlp.vocab))
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    return nlp


def train_overconfident() -> Language:
    """Train a recogniser on docs in which every name is a person."""
    return train(lambda vocab: make_docs(vocab, 59))


def make_examples(nlp: Language, docs: list[Doc]) -> list[Example]:
    """Return examples whose predicted docs have the tokens of the gold docs."""
    return [Example(Doc(nlp.vocab, words=[token.text for token in doc]), doc) for doc in docs]


def write_docs(docs: list[Doc], path: Path) -> Path:
    """Write docs as a corpus. Return its path."""
    DocBin(docs=docs).to_disk(path)
    return path
