"""Small trained pipelines that teach, texts for them to annotate, and settings of a student that trains in seconds."""

from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.vocab import Vocab
from thinc.api import fix_random_seed
from toy_corpus import make_docs
from toy_pipelines import BILSTM, add_stock_pipe, make_tok2vec, overfit

OVERRIDES: dict[str, Any] = {
    "components.tok2vec.model.embed.width": 32,
    "components.tok2vec.model.embed.attr_width": 32,
    "components.tok2vec.model.embed.char_width": 8,
    "components.tok2vec.model.embed.rows": [500, 100, 100, 100],
    "components.tok2vec.model.encode.width": 32,
    "training.max_steps": 40,
    "training.eval_frequency": 40,
    "training.dropout": 0.0,
    "training.batcher.batcher.size": 200,
    "training.batcher.batcher.buffer": 50,
    "training.optimizer.learn_rate.initial_rate": 0.01,
    "training.optimizer.learn_rate.warmup_steps": 5,
    "training.optimizer.learn_rate.total_steps": 40,
}


def make_teacher(seed: int = 0, epochs: int = 8, parser: bool = False) -> Language:
    """Make a teacher with a tagger, a sentence recogniser or parser, an entity recogniser and an `attribute_ruler`."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    tok2vec = make_tok2vec(BILSTM)
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}
    nlp.add_pipe("tagger", config={"model": model})
    add_stock_pipe(nlp, "parser" if parser else "senter", tok2vec)
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": model | {"@architectures": "spacy-bilstm.CRFTagger.v1"}})
    overfit(nlp, epochs=epochs)
    patterns = [{"patterns": [[{"TAG": "NNP"}]], "attrs": {"POS": "PROPN"}}]
    nlp.add_pipe("attribute_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    return nlp


def write_texts(path: Path, n: int = 200, seed: int = 9) -> Path:
    """Write texts of the toy corpus, one in a line, and return their path."""
    docs = make_docs(Vocab(), n, seed)
    path.write_text("".join(f"{' '.join(token.text for token in doc)}\n" for doc in docs), encoding="utf8")
    return path
