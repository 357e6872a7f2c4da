"""The text classifiers `bilstm_textcat` and `bilstm_textcat_multilabel`. Docs go out with `doc.cats`."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example, validate_get_examples
from thinc.api import Config
from thinc.types import Floats2d

from ..bridge.model_types import DocScoresModel
from .factories import DEFAULT_TOK2VEC_MODEL
from .loading import SafeLoading

DEFAULT_POOLING = "max"


def _make_default_model(exclusive_classes: bool) -> Config:
    return Config(
        {
            "@architectures": "spacy-bilstm.TextCat.v1",
            "exclusive_classes": exclusive_classes,
            "pooling": DEFAULT_POOLING,
            "nO": None,
            "tok2vec": DEFAULT_TOK2VEC_MODEL,
        }
    )


DEFAULT_TEXTCAT_MODEL = _make_default_model(exclusive_classes=True)
DEFAULT_TEXTCAT_MULTILABEL_MODEL = _make_default_model(exclusive_classes=False)
_SCORE_WEIGHTS = {
    "cats_score": 1.0,
    "cats_score_desc": None,
    "cats_micro_p": None,
    "cats_micro_r": None,
    "cats_micro_f": None,
    "cats_macro_p": None,
    "cats_macro_r": None,
    "cats_macro_f": None,
    "cats_macro_auc": None,
    "cats_f_per_type": None,
}


class BatchInvariantCategorizer(SafeLoading, TextCategorizer):
    """A text classifier that scores an empty doc as its model does, whatever else is in the batch."""

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Score the labels of docs, without changing these.

        docs: the docs.
        RETURNS: the scores, in the order of `labels`. Shape `(n_docs, n_labels)`.
        """
        # spaCy's own gives zeros where all docs are empty, but the model's scores where one of them is not.
        docs = list(docs)
        if not docs:
            return self.model.ops.alloc2f(0, len(self.labels))
        return self.model.ops.asarray2f(self.model.predict(docs))


class BiLSTMTextCategorizer(BatchInvariantCategorizer):
    """spaCy's `TextCategorizer` with sorted labels, which a failed load leaves as it was."""

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
        positive_label: str | None = None,
    ) -> None:
        """Initialise the model.

        get_examples: gives examples, of which all are read for labels, if none are given, and some by the model.
        nlp: the pipeline.
        labels: the labels, as in `label_data`; those of the examples, sorted, if None.
        positive_label: the label whose score is reported where there are two, or None.
        RAISES: ValueError if there are no examples, fewer than two labels, or no such positive label.
        """
        labels = _sort_labels(get_examples) if labels is None else labels
        super().initialize(get_examples, nlp=nlp, labels=labels, positive_label=positive_label)


class BiLSTMMultiLabelTextCategorizer(BatchInvariantCategorizer, MultiLabel_TextCategorizer):
    """spaCy's `MultiLabel_TextCategorizer` with sorted labels, which a failed load leaves as it was."""

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Initialise the model.

        get_examples: gives examples, of which all are read for labels, if none are given, and some by the model.
        nlp: the pipeline.
        labels: the labels, as in `label_data`; those of the examples, sorted, if None.
        RAISES: ValueError if there are no examples or no labels.
        """
        labels = _sort_labels(get_examples) if labels is None else labels
        super().initialize(get_examples, nlp=nlp, labels=labels)


def _sort_labels(get_examples: Callable[[], Iterable[Example]]) -> list[str]:
    validate_get_examples(get_examples, "TextCategorizer.initialize")
    return sorted({label for example in get_examples() for label in example.reference.cats})


def make_bilstm_textcat(
    nlp: Language,
    name: str,
    model: DocScoresModel,
    threshold: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> BiLSTMTextCategorizer:
    """Make a `TextCategorizer` component with a bidirectional LSTM, for labels of which just one is true of a doc.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to scores of shape `(n_docs, n_labels)`.
    threshold: of no effect, as the label with the highest score is the one; here because spaCy's component has it.
    scorer: the scoring method.
    RETURNS: the component.
    """
    return BiLSTMTextCategorizer(nlp.vocab, model, name, threshold=threshold, scorer=scorer)


def make_bilstm_textcat_multilabel(
    nlp: Language,
    name: str,
    model: DocScoresModel,
    threshold: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> BiLSTMMultiLabelTextCategorizer:
    """Make a `MultiLabel_TextCategorizer` component with a bidirectional LSTM, for labels that are true independently.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to scores of shape `(n_docs, n_labels)`.
    threshold: the score from which on a label counts as predicted where the component is scored, 0 <= threshold <= 1.
    scorer: the scoring method.
    RETURNS: the component.
    """
    return BiLSTMMultiLabelTextCategorizer(nlp.vocab, model, name, threshold=threshold, scorer=scorer)


Language.factory(
    "bilstm_textcat",
    func=make_bilstm_textcat,
    assigns=["doc.cats"],
    default_config={
        "model": DEFAULT_TEXTCAT_MODEL,
        "threshold": 0.0,
        "scorer": {"@scorers": "spacy.textcat_scorer.v2"},
    },
    default_score_weights=_SCORE_WEIGHTS,
)
Language.factory(
    "bilstm_textcat_multilabel",
    func=make_bilstm_textcat_multilabel,
    assigns=["doc.cats"],
    default_config={
        "model": DEFAULT_TEXTCAT_MULTILABEL_MODEL,
        "threshold": 0.5,
        "scorer": {"@scorers": "spacy.textcat_multilabel_scorer.v2"},
    },
    default_score_weights=_SCORE_WEIGHTS,
)
