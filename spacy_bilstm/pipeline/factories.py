"""The factories behind `nlp.add_pipe("bilstm_...")`: spaCy's own components with recurrent models."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language
from spacy.pipeline import Morphologizer, Tagger
from spacy.pipeline.tok2vec import Tok2Vec
from thinc.api import Config

from ..bridge.model_types import Tok2VecModel, TokenScoresModel
from .loading import SafeLoading
from .tagging import FastTagging

_TOK2VEC = """
@architectures = "spacy-bilstm.Tok2Vec.v1"

[{section}.embed]
@architectures = "spacy-bilstm.WordEmbed.v1"
width = 128
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
attr_width = 96
char_encoder = "cnn"
char_width = 64
identity_dropout = 0.3
include_static_vectors = false

[{section}.encode]
@architectures = "spacy-bilstm.RecurrentEncoder.v1"
width = 256
nI = 128
"""
_TAGGER = """
[model]
@architectures = "spacy.Tagger.v2"
nO = null
normalize = false

[model.tok2vec]
"""

DEFAULT_TOK2VEC_MODEL = Config().from_str("[model]" + _TOK2VEC.format(section="model"))["model"]
DEFAULT_TAGGER_MODEL = Config().from_str(_TAGGER + _TOK2VEC.format(section="model.tok2vec"))["model"]


class BiLSTMTok2Vec(SafeLoading, Tok2Vec):
    """spaCy's `Tok2Vec`, which a failed load leaves as it was."""


class BiLSTMTagger(FastTagging, Tagger):
    """spaCy's `Tagger`, which a failed load leaves as it was, and faster."""


class BiLSTMMorphologizer(FastTagging, Morphologizer):
    """spaCy's `Morphologizer`, which a failed load leaves as it was, and faster."""


def make_bilstm_tok2vec(nlp: Language, name: str, model: Tok2VecModel) -> BiLSTMTok2Vec:
    """Make a `Tok2Vec` component with a bidirectional LSTM, for other components to listen to.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to one array of shape `(len(doc), nO)` each.
    RETURNS: the component.
    """
    return BiLSTMTok2Vec(nlp.vocab, model, name)


def make_bilstm_tagger(
    nlp: Language,
    name: str,
    model: TokenScoresModel,
    overwrite: bool,
    scorer: Callable[..., dict[str, Any]] | None,
    neg_prefix: str,
    label_smoothing: float,
) -> BiLSTMTagger:
    """Make a `Tagger` component with a bidirectional LSTM.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to one array of shape `(len(doc), number of tags)` each.
    overwrite: whether tags that are set already are overwritten.
    scorer: the scoring method.
    neg_prefix: the prefix of a negated tag in partial annotation.
    label_smoothing: the share of probability given to other tags in training, 0 <= label_smoothing < 1.
    RETURNS: the component.
    """
    return BiLSTMTagger(
        nlp.vocab,
        model,
        name=name,
        overwrite=overwrite,
        scorer=scorer,
        neg_prefix=neg_prefix,
        label_smoothing=label_smoothing,
    )


def make_bilstm_morphologizer(
    nlp: Language,
    name: str,
    model: TokenScoresModel,
    overwrite: bool,
    extend: bool,
    label_smoothing: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> BiLSTMMorphologizer:
    """Make a `Morphologizer` component with a bidirectional LSTM.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to one array of shape `(len(doc), number of analyses)` each.
    overwrite: whether features that are set already are overwritten.
    extend: whether new features are added to those that are set already.
    label_smoothing: the share of probability given to other labels in training, 0 <= label_smoothing < 1.
    scorer: the scoring method.
    RETURNS: the component.
    """
    return BiLSTMMorphologizer(
        nlp.vocab,
        model,
        name,
        overwrite=overwrite,
        extend=extend,
        label_smoothing=label_smoothing,
        scorer=scorer,
    )


Language.factory(
    "bilstm_tok2vec",
    func=make_bilstm_tok2vec,
    assigns=["doc.tensor"],
    default_config={"model": DEFAULT_TOK2VEC_MODEL},
)
Language.factory(
    "bilstm_tagger",
    func=make_bilstm_tagger,
    assigns=["token.tag"],
    default_config={
        "model": DEFAULT_TAGGER_MODEL,
        "overwrite": False,
        "scorer": {"@scorers": "spacy.tagger_scorer.v1"},
        "neg_prefix": "!",
        "label_smoothing": 0.0,
    },
    default_score_weights={
        "tag_acc": 1.0,
        "pos_acc": 0.0,
        "tag_micro_p": None,
        "tag_micro_r": None,
        "tag_micro_f": None,
    },
)
Language.factory(
    "bilstm_morphologizer",
    func=make_bilstm_morphologizer,
    assigns=["token.morph", "token.pos"],
    default_config={
        "model": DEFAULT_TAGGER_MODEL,
        "overwrite": True,
        "extend": False,
        "scorer": {"@scorers": "spacy.morphologizer_scorer.v1"},
        "label_smoothing": 0.0,
    },
    default_score_weights={"pos_acc": 0.5, "morph_acc": 0.5, "morph_per_feat": None},
)
