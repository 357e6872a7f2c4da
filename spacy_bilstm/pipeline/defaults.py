"""The default models of all factories."""

from typing import Any

ModelConfig = dict[str, Any]

TOK2VEC_MODEL: ModelConfig = {
    "@architectures": "spacy-bilstm.Tok2Vec.v1",
    "embed": {
        "@architectures": "spacy-bilstm.WordEmbed.v1",
        "width": 128,
        "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
        "rows": [5000, 1000, 2500, 2500],
        "attr_width": 96,
        "char_encoder": "cnn",
        "char_width": 64,
        "identity_dropout": 0.3,
        "include_static_vectors": False,
    },
    "encode": {"@architectures": "spacy-bilstm.RecurrentEncoder.v1", "width": 256, "nI": 128},
}
TAGGER_MODEL: ModelConfig = {
    "@architectures": "spacy.Tagger.v2",
    "nO": None,
    "normalize": False,
    "tok2vec": TOK2VEC_MODEL,
}
NER_MODEL: ModelConfig = {"@architectures": "spacy-bilstm.CRFTagger.v1", "nO": None, "tok2vec": TOK2VEC_MODEL}
TEXTCAT_MODEL: ModelConfig = {
    "@architectures": "spacy-bilstm.TextCat.v1",
    "exclusive_classes": True,
    "pooling": "max",
    "nO": None,
    "tok2vec": TOK2VEC_MODEL,
}
TEXTCAT_MULTILABEL_MODEL: ModelConfig = TEXTCAT_MODEL | {"exclusive_classes": False}
