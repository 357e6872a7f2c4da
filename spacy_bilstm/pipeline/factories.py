"""The components `bilstm_tok2vec`, `bilstm_tagger` and `bilstm_morphologizer`, and their factories."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.language import Language
from spacy.morphology import Morphology
from spacy.pipeline import Morphologizer, Tagger
from spacy.pipeline.tok2vec import Tok2Vec
from spacy.tokens import Token
from spacy.training import Example

from ..bridge.arguments import check_numbers
from ..bridge.model_types import Tok2VecModel, TokenScoresModel
from .defaults import TAGGER_MODEL, TOK2VEC_MODEL
from .loading import SafeLoading
from .tagging import FastTagging


class BiLSTMTok2Vec(SafeLoading, Tok2Vec):
    """spaCy's `Tok2Vec`. A failed load does not change it."""


class BiLSTMTagger(FastTagging, Tagger):
    """spaCy's `Tagger`, but faster. A failed load does not change it."""

    def find_labels(self, get_examples: Callable[[], Iterable[Example]], labels: Iterable[str] | None) -> set[str]:
        """Find the labels that the component will have when it is initialised. The component does not change.

        get_examples, labels: see `initialize`.
        RETURNS: the labels.
        """
        if labels is None:
            labels = {token.tag_ for example in get_examples() for token in example.reference if token.tag_}
        return {*self.labels, *labels}


def make_morphology_label(token: Token) -> str:
    """Make the label that spaCy's `Morphologizer` has for the features and the part of speech of a token.

    token: the token.
    RETURNS: the label.
    """
    features = Morphology.feats_to_dict(str(token.morph))
    if token.pos_:
        features[Morphologizer.POS_FEAT] = token.pos_
    label: str = token.vocab.strings[token.vocab.morphology.add(features)]
    return label


class BiLSTMMorphologizer(FastTagging, Morphologizer):
    """spaCy's `Morphologizer`, but faster. A failed load does not change it."""

    def find_labels(
        self, get_examples: Callable[[], Iterable[Example]], labels: dict[str, dict[str, Any]] | None
    ) -> set[str]:
        """Find the labels that the component will have when it is initialised. The component does not change.

        get_examples, labels: see `initialize`.
        RETURNS: the labels.
        """
        if labels is not None:
            return set(labels["morph"])
        tokens = (token for example in get_examples() for token in example.reference)
        return {*self.labels, *(make_morphology_label(token) for token in tokens if token.pos_ or token.has_morph())}


@Language.factory("bilstm_tok2vec", assigns=["doc.tensor"], default_config={"model": TOK2VEC_MODEL})
def make_bilstm_tok2vec(nlp: Language, name: str, model: Tok2VecModel) -> BiLSTMTok2Vec:
    """Make a `Tok2Vec` component with a bidirectional LSTM that other components can listen to.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to one array of shape `(len(doc), nO)` each.
    RETURNS: the component.
    """
    return BiLSTMTok2Vec(nlp.vocab, model, name)


@Language.factory(
    "bilstm_tagger",
    assigns=["token.tag"],
    default_config={
        "model": TAGGER_MODEL,
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
    overwrite: whether to overwrite existing tags.
    scorer: the scoring method.
    neg_prefix: the prefix of a negated tag in partial annotation.
    label_smoothing: the share of probability given to other tags in training, 0 <= label_smoothing < 1.
    RETURNS: the component.
    RAISES: ValueError for an argument outside its range.
    """
    return BiLSTMTagger(
        nlp.vocab,
        model,
        name=name,
        overwrite=overwrite,
        scorer=scorer,
        neg_prefix=neg_prefix,
        label_smoothing=_check_smoothing(name, label_smoothing),
    )


@Language.factory(
    "bilstm_morphologizer",
    assigns=["token.morph", "token.pos"],
    default_config={
        "model": TAGGER_MODEL,
        "overwrite": True,
        "extend": False,
        "scorer": {"@scorers": "spacy.morphologizer_scorer.v1"},
        "label_smoothing": 0.0,
    },
    default_score_weights={"pos_acc": 0.5, "morph_acc": 0.5, "morph_per_feat": None},
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
    overwrite: whether to overwrite existing features.
    extend: whether to add new features to existing ones.
    label_smoothing: the share of probability given to other labels in training, 0 <= label_smoothing < 1.
    scorer: the scoring method.
    RETURNS: the component.
    RAISES: ValueError for an argument outside its range.
    """
    return BiLSTMMorphologizer(
        nlp.vocab,
        model,
        name,
        overwrite=overwrite,
        extend=extend,
        label_smoothing=_check_smoothing(name, label_smoothing),
        scorer=scorer,
    )


def _check_smoothing(name: str, label_smoothing: float) -> float:
    check_numbers(f"'{name}'", label_smoothing=label_smoothing)
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(
            f"label_smoothing of '{name}' is a share of probability. Set it to at least 0 and below 1, not to "
            f"{label_smoothing}."
        )
    return label_smoothing
