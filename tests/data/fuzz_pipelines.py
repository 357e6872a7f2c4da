"""Small pipelines with large random weights, which predict something almost everywhere."""

from typing import Any

import numpy
import spacy
import torch
from spacy.language import Language
from thinc.api import Model, fix_random_seed
from toy_corpus import make_examples

WIDTH = 16
EMBED: dict[str, Any] = {
    "@architectures": "spacy-bilstm.WordEmbed.v1",
    "width": WIDTH,
    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
    "rows": [100, 50, 50, 50],
    "attr_width": 8,
    "char_encoder": "cnn",
    "char_width": 8,
    "char_embed_width": 4,
    "identity_dropout": 0.3,
}
TOK2VEC: dict[str, Any] = {
    "@architectures": "spacy-bilstm.Tok2Vec.v1",
    "embed": EMBED,
    "encode": {"@architectures": "spacy-bilstm.RecurrentEncoder.v1", "width": WIDTH, "nI": WIDTH},
    "skip_whitespace": True,
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": WIDTH, "upstream": "*"}
CRF = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": LISTENER}
TAGGER = {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}
TEXTCAT = {"@architectures": "spacy-bilstm.TextCat.v1", "exclusive_classes": True, "pooling": "attention"}
TEXTCAT_V2 = {
    "@architectures": "spacy-bilstm.TextCat.v2",
    "exclusive_classes": True,
    "pooling": ["max", "last"],
    "ngram_size": 2,
    "ngram_rows": 100,
}


def make_pipeline(pipes: list[str], lang: str = "en", skip_whitespace: bool = True, **ner: Any) -> Language:
    """Make a pipeline of components that share a tok2vec.

    pipes: the factories, such as `"bilstm_ner"`.
    lang: the language.
    skip_whitespace: whether the encoder skips whitespace.
    ner: settings of `bilstm_ner`.
    """
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    nlp.add_pipe("bilstm_tok2vec", config={"model": TOK2VEC | {"skip_whitespace": skip_whitespace}})
    configs: dict[str, dict[str, Any]] = {
        "bilstm_ner": {"model": CRF, **ner},
        "bilstm_tagger": {"model": TAGGER},
        "bilstm_morphologizer": {"model": TAGGER},
        "bilstm_textcat": {"model": TEXTCAT | {"tok2vec": LISTENER}},
    }
    for pipe in pipes:
        nlp.add_pipe(pipe, config=configs[pipe])
    examples = make_examples(nlp.vocab, 8)
    nlp.initialize(lambda: examples)
    for _, component in nlp.pipeline:
        randomize(component.model)
    return nlp


def randomize(model: Model, seed: int = 0) -> None:
    """Set all weights to large random values, so that nothing is close to a tie."""
    rng = numpy.random.default_rng(seed)
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, rng.normal(scale=2, size=node.get_param(name).shape).astype("float32"))
        for shim in node.shims:
            for parameter in shim.module.parameters():
                values = torch.as_tensor(rng.normal(scale=0.5, size=tuple(parameter.shape)), dtype=torch.float32)
                parameter.data.copy_(values)
