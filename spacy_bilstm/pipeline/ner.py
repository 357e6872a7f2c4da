"""The entity recogniser `bilstm_ner`: prediction, training and settings of the component."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..bridge.arguments import check_numbers
from ..bridge.crf import CRFLoss, Emissions, add_gradients
from ..bridge.labels import score_labels
from ..bridge.model_types import CRFLayer, TokenScoresModel
from ..bridge.soft_targets import SoftTags
from ..nn.biluo import count_tags
from .confidences import write_confidences
from .defaults import NER_MODEL
from .entities import (
    PredictedEntities,
    Tokens,
    check_label_names,
    find_allowed_tags,
    write_entities,
)
from .listeners import ListenerChecks
from .ner_loss import Annotation, compute_rehearsal_loss
from .ner_prediction import Parse, compute_soft_tags, find_analyses, find_entities
from .ner_scorer import score_ner
from .tagging import is_linear
from .words import WordSequences, skip_whitespace


class BiLSTMEntityRecognizer(ListenerChecks):
    """Entity recogniser with a conditional random field over BILUO tags, a replacement for spaCy's `ner`.

    No entity starts or ends in whitespace or crosses a known start of a sentence. Entities that are set already stay,
    and so do blocked tokens.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: TokenScoresModel,
        name: str = "bilstm_ner",
        *,
        confidences: str | None = None,
        threshold: float = 0.0,
        temperature: float = 1.0,
        incorrect_spans_key: str | None = None,
        scorer: Callable[..., dict[str, Any]] | None = score_ner,
    ) -> None:
        """Create the component.

        vocab: the pipeline's vocab.
        model: a model as `spacy-bilstm.CRFTagger.v1` makes it.
        name: the component's name.
        confidences, threshold, temperature, incorrect_spans_key, scorer: see `make_bilstm_ner`.
        RAISES: ValueError for a model without a CRF, or a threshold or temperature outside its range.
        """
        if not model.has_ref("crf"):
            raise ValueError(f"The model of '{name}' has no CRF. Use spacy-bilstm.CRFTagger.v1.")
        check_numbers(f"'{name}'", threshold=threshold, temperature=temperature)
        if not 0 <= threshold <= 1:
            raise ValueError(f"The threshold of '{name}' is a probability. Set it to 0..1 instead of {threshold}.")
        if not 0 < temperature < math.inf:
            raise ValueError(f"The temperature of '{name}' divides scores. Set it above 0 instead of {temperature}.")
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self._rehearsal_model: TokenScoresModel | None = None
        self._configured = {
            "confidences": confidences,
            "threshold": threshold,
            "temperature": temperature,
            "incorrect_spans_key": incorrect_spans_key,
        }
        self.cfg: dict[str, Any] = {"labels": [], **self._configured, "configured": dict(self._configured)}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, sorted; labels that were added after initialisation come last."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """The labels for `initialize`, as `init labels` stores them."""
        return self.labels

    def add_label(self, label: str) -> int:
        """Add a label, also to a trained model, which learns it in its next training.

        label: the label.
        RETURNS: 0 if the component had the label already, otherwise 1.
        RAISES: ValueError if the label is not a string or is empty.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(f"A label of '{self.name}' must be a string and not empty, but is {label!r}.")
        if label in self.labels:
            return 0
        self._append_label(label)
        if self._is_initialized:
            self.set_output(self._n_tags)
        return 1

    def _append_label(self, label: str) -> None:
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Initialise the model.

        get_examples: returns examples. All are read for labels if none are given; the model reads some.
        nlp: the pipeline.
        labels: the labels, as in `label_data`; those of the examples if None. Labels that were added before stay.
        RAISES: ValueError if there are no examples or no labels, or if the model is made for another number of labels.
        """
        validate_get_examples(get_examples, "BiLSTMEntityRecognizer.initialize")
        if labels is None:
            labels = {entity.label_ for example in get_examples() for entity in example.reference.ents}
        names = sorted({*self.labels, *labels})
        if not names:
            raise ValueError(
                f"'{self.name}' has no labels: the training data has no entities. Check that its annotation was read: "
                "`python -m spacy bilstm corpus` counts it. To initialize without examples, call add_label first."
            )
        nO, n_tags = self._crf.maybe_get_dim("nO"), count_tags(len(names))
        is_resized = nO is not None and nO != n_tags
        if is_resized and not self._is_initialized:
            raise ValueError(
                f"The model of '{self.name}' is made for {nO} tags (nO), but its {len(names)} labels need {n_tags}: "
                "one for 'O' and four for each. Set nO = null: the labels then decide."
            )
        self.cfg["labels"] = []
        for name in names:
            self._append_label(name)
        if is_resized:
            self.set_output(n_tags)
        docs = [example.predicted for example in islice(get_examples(), 10)]
        sample = [self.model.ops.alloc2f(len(doc), self._n_tags) for doc in docs]
        self.model.initialize(X=docs, Y=sample)

    def predict(self, docs: Iterable[Doc]) -> PredictedEntities:
        """Find the entities of docs, without changing the docs.

        docs: the docs.
        RETURNS: the entities.
        RAISES: ValueError if the model is not initialised.
        """
        docs = list(docs)
        words = self._read_words(docs)
        allowed = find_allowed_tags(words.tokens, self._label_hashes)
        with self.naming_divergence(words.emissions.scores):
            spans, probabilities = find_entities(self._crf, words, allowed, self.cfg)
        spans = words.restore(spans)
        is_new = ~words.all_tokens.is_preset[spans.starts]
        probabilities = None if probabilities is None else probabilities[is_new]
        return PredictedEntities(words.all_tokens, spans.select(is_new), probabilities)

    def set_annotations(self, docs: Iterable[Doc], scores: PredictedEntities) -> None:
        """Set the entities of docs, and their confidences if the setting `confidences` names a span group.

        docs: the docs.
        scores: the entities that `predict` returned for them.
        RAISES: ValueError if the vocab of a doc does not have the label of an entity. No doc has changed then.
        """
        docs = list(docs)
        check_label_names(docs, scores.spans, self.labels, self.vocab)
        write_entities(docs, scores.tokens, scores.spans, self._label_hashes)
        if self.cfg["confidences"] is not None:
            write_confidences(docs, scores, self.labels, self.cfg["confidences"])

    def k_best(self, docs: Iterable[Doc], k: int) -> list[list[Parse]]:
        """Find the k most probable analyses of docs, exactly, without changing the docs.

        In a pipeline with a shared tok2vec, the docs must have passed through it.

        docs: the docs.
        k: number of analyses, >= 1.
        RETURNS: for each doc its analyses, most probable first, or fewer than k if there are no more: the probability
            and all entities, with those that were set already. The threshold has no effect.
        RAISES: ValueError if k is below 1 or the model is not initialised.
        """
        docs = list(docs)
        words = self._read_words(docs)
        return find_analyses(self._crf, words, docs, self.labels, self._label_hashes, k, self.cfg["temperature"])

    def compute_soft_tags(self, docs: Iterable[Doc], min_probability: float) -> list[SoftTags | None]:
        """Compute the model's distribution over the tag sequences of docs, at the setting `temperature`.

        docs: the docs. In a pipeline with a shared tok2vec, they must have passed through it.
        min_probability: tags of a word that are less probable are left out, unless they are the best ones, 0 <=
            min_probability <= 1.
        RETURNS: the distributions, to store with `set_soft_targets`. They give all probability to preset entities. None
            for a doc with a preset entity that starts or ends in whitespace, which they can't express.
        RAISES: ValueError if the model is not initialised.
        """
        words = self._read_words(list(docs))
        temperature = self.cfg["temperature"]
        return compute_soft_tags(self._crf, words, self.labels, self._label_hashes, min_probability, temperature)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from examples. New labels in them are added first, as spaCy's `ner` does.

        If a reference doc has soft targets for the component, it learns these instead of the entities.

        examples: the examples.
        drop: rate of dropout, 0 <= drop < 1.
        sgd: the optimizer, or None to add up gradients for a later update.
        losses: losses by component. This one's is added: the sum of the negative log likelihoods of docs.
        RETURNS: the losses.
        """
        losses = self._start_losses(losses)
        examples = list(examples)
        validate_examples(examples, "BiLSTMEntityRecognizer.update")
        docs = [example.predicted for example in examples]
        if not any(len(doc) for doc in docs):
            return losses
        annotation = Annotation.read(examples, self.name)
        for label in annotation.find_labels():
            self.add_label(label)
        losses[self.name] += self._learn(docs, partial(self._compute_loss, annotation=annotation), drop, sgd)
        return losses

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Compute the loss of emissions and its gradient.

        Unknown labels count as missing annotation. The result does not have the gradients of the CRF's own parameters,
        which `update` uses, too.

        examples: the examples.
        scores: the model's output for their predicted docs.
        RETURNS: the sum of the negative log likelihoods of docs, and the gradient of each array of scores.
        """
        examples = list(examples)
        validate_examples(examples, "BiLSTMEntityRecognizer.get_loss")
        annotation = Annotation.read(examples, self.name)
        loss = self._compute_loss([example.predicted for example in examples], scores, annotation)
        return loss.value, loss.d_emissions

    def _compute_loss(self, docs: list[Doc], scores: list[Floats2d], annotation: Annotation) -> CRFLoss:
        words = self._skip_whitespace_in_training(docs, scores)
        key = self.cfg["incorrect_spans_key"]
        loss = annotation.compute_loss(self._crf, words, self.labels, self._label_hashes, key)
        return words.restore_loss(loss, self._crf)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
        **config: Any,
    ) -> dict[str, float]:
        """Pull the model back towards its predictions when training was resumed, for the labels that it had then.

        examples: the examples, of which only the predicted docs are read.
        drop: rate of dropout, 0 <= drop < 1.
        sgd: the optimizer, or None to add up gradients for a later update.
        losses: losses by component. This one's is added: the sum over docs of the Kullback-Leibler divergence of the
            model's distribution of tag sequences from that of the old model.
        config: ignored.
        RETURNS: the losses.
        """
        losses = self._start_losses(losses)
        examples = list(examples)
        validate_examples(examples, "BiLSTMEntityRecognizer.rehearse")
        self.check_rehearsal(examples)
        docs = [example.predicted for example in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        compute_loss = partial(self._compute_rehearsal_loss, teacher=self._rehearsal_model)
        losses[self.name] += self._learn(docs, compute_loss, drop, sgd)
        return losses

    def _compute_rehearsal_loss(self, docs: list[Doc], scores: list[Floats2d], teacher: TokenScoresModel) -> CRFLoss:
        words = self._skip_whitespace_in_training(docs, scores)
        return words.restore_loss(compute_rehearsal_loss(self._crf, words, teacher, docs), self._crf)

    def _skip_whitespace_in_training(self, docs: list[Doc], scores: list[Floats2d]) -> WordSequences:
        emissions = Emissions.concatenate(self._crf, scores)
        return skip_whitespace(Tokens.read(docs), emissions, self.model, self._crf, keep_presets=False)

    def _start_losses(self, losses: dict[str, float] | None) -> dict[str, float]:
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        return losses

    def _learn(
        self,
        docs: list[Doc],
        compute: Callable[[list[Doc], list[Floats2d]], CRFLoss],
        drop: float,
        sgd: Optimizer | None,
    ) -> float:
        """Learn from the gradients of a loss. RETURNS: the loss."""
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(docs)
        self.check_scores(scores, sgd)
        loss = compute(docs, scores)
        add_gradients(self._crf, loss)
        backprop(loss.d_emissions)
        if sgd:
            self.finish_update(sgd)
        return loss.value

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Change settings as if the config had these values, so that loading keeps them.

        settings: the settings by name, some of the arguments `confidences`, `threshold`, `temperature` and
            `incorrect_spans_key`.
        """
        self.cfg.update(settings)
        self._configured = {**self._configured, **settings}
        self.cfg["configured"] = dict(self._configured)

    def _count_outputs(self, n_labels: int) -> int:
        return count_tags(n_labels)

    def _load(self, load: Callable[[], Any], source: str) -> Any:
        """Load, but keep settings whose value in the present config differs from the config of the training."""
        super()._load(load, source)
        stored: Mapping[str, Any] = self.cfg["configured"]
        for name, value in self._configured.items():
            if name not in stored or stored[name] != value:
                self.cfg[name] = value
        self.cfg["configured"] = dict(self._configured)
        return self

    @property
    def _crf(self) -> CRFLayer:
        crf: CRFLayer = self.model.get_ref("crf")
        return crf

    @property
    def _is_initialized(self) -> bool:
        return bool(self._crf.has_param("transitions"))

    @property
    def _n_tags(self) -> int:
        return count_tags(len(self.labels))

    @property
    def _label_hashes(self) -> list[int]:
        return [self.vocab.strings.add(label) for label in self.labels]

    def _read_words(self, docs: list[Doc]) -> WordSequences:
        return skip_whitespace(Tokens.read(docs), self._compute_emissions(docs), self.model, self._crf)

    def _compute_emissions(self, docs: list[Doc]) -> Emissions:
        if not self._is_initialized:
            raise ValueError(
                f"Can't use '{self.name}' before its model is initialized. Train it, load it with spacy.load, or call "
                "nlp.initialize with a sample of examples."
            )
        self.check_vectors(docs)
        lengths = [len(doc) for doc in docs]
        if not any(lengths):  # Not every model takes a batch without tokens.
            return Emissions(self.model.ops.alloc2f(0, self._n_tags), lengths)
        if not is_linear(self.model, "output_layer", self._crf):
            return Emissions.concatenate(self._crf, self.model.predict(docs))
        tok2vec, output = self.model.get_ref("tok2vec"), self.model.get_ref("output_layer")
        scores = score_labels(self.model.ops, tok2vec.predict(docs), output.get_param("W"), output.get_param("b"))
        return Emissions(scores, lengths)


@Language.factory(
    "bilstm_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": NER_MODEL,
        "confidences": None,
        "threshold": 0.0,
        "temperature": 1.0,
        "incorrect_spans_key": None,
        "scorer": {"@scorers": "spacy-bilstm.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bilstm_ner(
    nlp: Language,
    name: str,
    model: TokenScoresModel,
    confidences: str | None,
    threshold: float,
    temperature: float,
    incorrect_spans_key: str | None,
    scorer: Callable[..., dict[str, Any]] | None,
) -> BiLSTMEntityRecognizer:
    """Make an entity recogniser with a bidirectional LSTM and a conditional random field.

    nlp: the pipeline.
    name: the component's name.
    model: a model as `spacy-bilstm.CRFTagger.v1` makes it, from docs to scores of BILUO tags.
    confidences: the span group that gets the predicted entities, with the probability of each in its attribute
        `scores`, as in `doc.spans[confidences].attrs["scores"]`. If null, no probabilities are computed.
    threshold: with 0, the entities are those of the most probable analysis. Otherwise they are all spans that are at
        least this probable, 0 < threshold <= 1, the most probable first where they overlap.
    temperature: all scores are divided by it where probabilities are computed, > 0. Values above 1 make the model less
        confident. Unless there is a threshold, the entities do not depend on it.
    incorrect_spans_key: the span group of reference docs that holds spans known not to be entities of their label, or
        null.
    scorer: the scoring method.
    RETURNS: the component.
    RAISES: ValueError for a model without a CRF, or a threshold or temperature outside its range.
    """
    return BiLSTMEntityRecognizer(
        nlp.vocab,
        model,
        name,
        confidences=confidences,
        threshold=threshold,
        temperature=temperature,
        incorrect_spans_key=incorrect_spans_key,
        scorer=scorer,
    )
