"""The text classifiers `bilstm_textcat` and `bilstm_textcat_multilabel`, and their factories."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.types import Floats2d

from ..architectures.textcat import can_score_empty_docs
from ..bridge.arguments import check_number_of_labels, check_numbers
from ..bridge.model_types import DocScoresModel
from ..bridge.soft_targets import get_soft_categories
from .defaults import TEXTCAT_MODEL, TEXTCAT_MULTILABEL_MODEL
from .listeners import ListenerChecks

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


class BatchInvariantCategorizer(ListenerChecks, TextCategorizer):
    """A text classifier whose scores of an empty doc do not depend on the other docs of the batch."""

    def __init__(self, vocab: Vocab, model: DocScoresModel, name: str, **settings: Any) -> None:
        """Create the component.

        vocab: the pipeline's vocab.
        model: a model from docs to scores of shape `(n_docs, n_labels)`.
        name: the component's name.
        settings: `threshold` and `scorer`, as for spaCy's `TextCategorizer`.
        """
        super().__init__(vocab, model, name, **settings)
        # Labels that are added resize the model, so it does not know this number later.
        self._made_for = model.maybe_get_dim("nO")

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Score the labels of docs. The docs do not change.

        docs: the docs.
        RETURNS: the scores, in the order of `labels`. Shape `(n_docs, n_labels)`.
        """
        # spaCy's method returns zeros if all docs are empty, but the model's scores if one of them is not. Not every
        # model can score empty docs alone.
        docs = list(docs)
        self.check_vectors(docs)
        if not any(len(doc) for doc in docs) and not (docs and can_score_empty_docs(self.model)):
            return self.model.ops.alloc2f(len(docs), len(self.labels))
        return self.model.ops.asarray2f(self.model.predict(docs))

    def get_loss(  # type: ignore[override]
        self, examples: Iterable[Example], scores: Floats2d
    ) -> tuple[float, Floats2d]:
        """Compute the loss and its gradient.

        If a reference doc has soft targets for the component, it learns these instead of the doc's categories.

        examples: the examples.
        scores: the model's output for their predicted docs. Shape `(n_docs, n_labels)`.
        RETURNS: the mean square error, and the gradient of the scores.
        """
        self.check_scores([scores])
        examples = list(examples)
        d_scores: Any
        loss, d_scores = super().get_loss(examples, scores)
        soft = [get_soft_categories(example.reference, self.name) for example in examples]
        if not any(soft):
            return loss, d_scores
        for i, targets in enumerate(soft):
            if targets is not None:
                known = dict(zip(targets.labels, targets.probabilities.tolist(), strict=True))
                truth = [known.get(label, float("nan")) for label in self.labels]
                d_doc = scores[i] - self.model.ops.asarray1f(truth)
                d_scores[i] = targets.weight * self.model.ops.xp.nan_to_num(d_doc)  # Unknown labels are not learned.
        return float((d_scores**2).mean()), d_scores

    def check_number_of_classes(self, labels: Iterable[str]) -> None:
        """Check that a model that is made for a fixed number of classes (nO) gets as many labels.

        labels: the labels that the component is initialised with. Those that were added before count, too.
        RAISES: ValueError if the numbers differ.
        """
        n_labels = len({*self.labels, *labels})
        check_number_of_labels(self.name, self.model, self._made_for, n_labels, "classes")

    def rehearse(self, examples: Iterable[Example], **settings: Any) -> dict[str, float]:
        """Pull the model back towards its predictions when training was resumed.

        examples: the examples, of which only the predicted docs are read.
        settings: `drop`, `sgd` and `losses`, as for spaCy's `TextCategorizer`.
        RETURNS: the losses.
        RAISES: ValueError if the component got labels since training was resumed, or if it listens to a shared tok2vec
            that is trained or has not run on the docs.
        """
        examples = list(examples)
        self.check_rehearsal(examples)
        old = self._rehearsal_model
        if old is not None and old.maybe_get_dim("nO") not in (None, len(self.labels)):
            raise ValueError(
                f"Can't rehearse '{self.name}': '{self.name}' got labels since training was resumed. Call "
                "nlp.resume_training again."
            )
        losses: dict[str, float] = super().rehearse(examples, **settings)
        return losses


class BiLSTMTextCategorizer(BatchInvariantCategorizer):
    """spaCy's `TextCategorizer` with sorted labels. A failed load does not change it."""

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
        positive_label: str | None = None,
    ) -> None:
        """Initialise the model.

        get_examples: returns examples. All of them are read for labels if `labels` is None; the model reads some.
        nlp: the pipeline.
        labels: the labels, as in `label_data`; if None, those of the examples, sorted.
        positive_label: if there are two labels, the one whose score is reported, or None.
        RAISES: ValueError if there are no examples or fewer than two labels, if the positive label is unknown, or if
            the model is made for another number of labels.
        """
        labels = _sort_labels(get_examples) if labels is None else list(labels)
        self.check_number_of_classes(labels)
        super().initialize(get_examples, nlp=nlp, labels=labels, positive_label=positive_label)


class BiLSTMMultiLabelTextCategorizer(BatchInvariantCategorizer, MultiLabel_TextCategorizer):
    """spaCy's `MultiLabel_TextCategorizer` with sorted labels. A failed load does not change it."""

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Initialise the model.

        get_examples: returns examples. All of them are read for labels if `labels` is None; the model reads some.
        nlp: the pipeline.
        labels: the labels, as in `label_data`; if None, those of the examples, sorted.
        RAISES: ValueError if there are no examples or no labels, or if the model is made for another number of labels.
        """
        labels = _sort_labels(get_examples) if labels is None else list(labels)
        self.check_number_of_classes(labels)
        super().initialize(get_examples, nlp=nlp, labels=labels)


def _sort_labels(get_examples: Callable[[], Iterable[Example]]) -> list[str]:
    validate_get_examples(get_examples, "TextCategorizer.initialize")
    return sorted({label for example in get_examples() for label in example.reference.cats})


@Language.factory(
    "bilstm_textcat",
    assigns=["doc.cats"],
    default_config={
        "model": TEXTCAT_MODEL,
        "threshold": 0.0,
        "scorer": {"@scorers": "spacy.textcat_scorer.v2"},
    },
    default_score_weights=_SCORE_WEIGHTS,
)
def make_bilstm_textcat(
    nlp: Language,
    name: str,
    model: DocScoresModel,
    threshold: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> BiLSTMTextCategorizer:
    """Make a `TextCategorizer` component with a bidirectional LSTM, for docs with exactly one label each.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to scores of shape `(n_docs, n_labels)`.
    threshold: has no effect, because the label with the highest score is predicted. spaCy's component has it too.
    scorer: the scoring method.
    RETURNS: the component.
    RAISES: ValueError for a threshold outside 0..1.
    """
    _check_threshold(name, threshold)
    return BiLSTMTextCategorizer(nlp.vocab, model, name, threshold=threshold, scorer=scorer)


@Language.factory(
    "bilstm_textcat_multilabel",
    assigns=["doc.cats"],
    default_config={
        "model": TEXTCAT_MULTILABEL_MODEL,
        "threshold": 0.5,
        "scorer": {"@scorers": "spacy.textcat_multilabel_scorer.v2"},
    },
    default_score_weights=_SCORE_WEIGHTS,
)
def make_bilstm_textcat_multilabel(
    nlp: Language,
    name: str,
    model: DocScoresModel,
    threshold: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> BiLSTMMultiLabelTextCategorizer:
    """Make a `MultiLabel_TextCategorizer` component with a bidirectional LSTM, for docs with any number of labels.

    nlp: the pipeline.
    name: the component's name.
    model: a model from docs to scores of shape `(n_docs, n_labels)`.
    threshold: the lowest score of a label that counts as predicted when the component is scored, 0 <= threshold <= 1.
    scorer: the scoring method.
    RETURNS: the component.
    RAISES: ValueError for a threshold outside 0..1.
    """
    _check_threshold(name, threshold)
    return BiLSTMMultiLabelTextCategorizer(nlp.vocab, model, name, threshold=threshold, scorer=scorer)


def _check_threshold(name: str, threshold: float) -> None:
    check_numbers(f"'{name}'", threshold=threshold)
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"The threshold of '{name}' is a score. Set it to 0..1 instead of {threshold}.")
