"""Train and save the pipelines of this folder, with their predictions: `python make.py FOLDER`."""

import json
import sys
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from thinc.api import fix_random_seed

sys.path.insert(0, str(Path(__file__).parent.parent))
from toy_corpus import make_examples

TEXTS = [
    "Anna travels to Paris.",
    "Boris liked the old bird. Clara sees the red cats.",
    "",
    "David",
    "  Anna  saw Zanzibar .",
]
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 24}
TAGGER = {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}}


def make_tok2vec(embed: dict[str, Any], width: int, **arguments: Any) -> dict[str, Any]:
    embed = {"@architectures": "spacy-bilstm.WordEmbed.v1", "include_static_vectors": False, **embed}
    encode = {"@architectures": "spacy-bilstm.RecurrentEncoder.v1", "width": width, "nI": embed["width"], **arguments}
    return {"@architectures": "spacy-bilstm.Tok2Vec.v1", "embed": embed, "encode": encode}


def add_tagger_ner(nlp: Language) -> None:
    """Add components that share a tok2vec: deep LSTMs, a character CNN and identity dropout."""
    chars = {"char_encoder": "cnn", "char_rows": 100, "char_embed_width": 8, "char_width": 8}
    attrs = {"attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"], "rows": [200, 50, 50, 50], "attr_width": 12}
    embed = {"width": 16, **attrs, **chars, "identity_dropout": 0.3}
    tok2vec = make_tok2vec(embed, 24, depth=2, residual=True)
    nlp.add_pipe("bilstm_tok2vec", name="tok2vec", config={"model": tok2vec})
    nlp.add_pipe("bilstm_tagger", name="tagger", config=TAGGER)
    nlp.add_pipe("bilstm_morphologizer", name="morphologizer", config=TAGGER)
    crf = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": LISTENER}
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": crf, "confidences": "ner", "temperature": 1.5})


def add_textcat_ner(nlp: Language) -> None:
    """Add components with tok2vecs of their own: other cells and merges, a character BiLSTM, means of hashes."""
    chars = {"char_encoder": "bilstm", "char_rows": 100, "char_embed_width": 8, "char_width": 8}
    embed = {"width": 12, "attrs": ["ORTH", "SHAPE"], "rows": [200, 50], **chars, "hash_pooling": "mean"}
    gru = make_tok2vec(embed, 15, cell="gru", merge="mul", layer_norm=False)
    textcat = {"@architectures": "spacy-bilstm.TextCat.v1", "exclusive_classes": True, "pooling": "attention"}
    nlp.add_pipe("bilstm_textcat", config={"model": textcat | {"tok2vec": gru}})
    rnn = make_tok2vec(embed, 12, cell="rnn", bidirectional=False)
    crf = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": rnn}
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": crf, "threshold": 0.3})


def add_ngrams(nlp: Language) -> None:
    """Add a classifier that reads n-grams too, and whose encoder skips whitespace."""
    embed = {"width": 12, "attrs": ["NORM", "SUFFIX"], "rows": [100, 50]}
    model = {"@architectures": "spacy-bilstm.TextCat.v2", "exclusive_classes": False, "pooling": ["max", "mean"]}
    model |= {"ngram_size": 2, "ngram_rows": 200, "tok2vec": make_tok2vec(embed, 12) | {"skip_whitespace": True}}
    nlp.add_pipe("bilstm_textcat_multilabel", config={"model": model, "threshold": 0.4})


def predict(nlp: Language) -> list[dict[str, Any]]:
    """Return all predictions for the texts, with rounded numbers."""
    return [
        {
            "tags": [token.tag_ for token in doc],
            "pos": [token.pos_ for token in doc],
            "morph": [str(token.morph) for token in doc],
            "ents": [[entity.start, entity.end, entity.label_] for entity in doc.ents],
            "confidences": [round(float(score), 6) for score in doc.spans["ner"].attrs["scores"]]
            if "ner" in doc.spans
            else None,
            "cats": {label: round(float(score), 6) for label, score in doc.cats.items()},
        }
        for doc in nlp.pipe(TEXTS)
    ]


PIPELINES = {"tagger_ner": add_tagger_ner, "textcat_ner": add_textcat_ner, "textcat_ngrams": add_ngrams}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, add_components in PIPELINES.items():
        fix_random_seed(0)
        nlp = spacy.blank("en")
        add_components(nlp)
        examples = make_examples(nlp.vocab, 24)
        optimizer = nlp.initialize(lambda examples=examples: examples)
        optimizer.learn_rate = 0.01
        for _ in range(40):
            nlp.update(examples, sgd=optimizer, drop=0.1)
        nlp.to_disk(folder / name)
        saved = {"texts": TEXTS, "predictions": predict(spacy.load(folder / name))}
        (folder / f"{name}.json").write_text(json.dumps(saved, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
