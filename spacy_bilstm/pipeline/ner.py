"""The entity recogniser `bilstm_ner`. Docs come in, and go out with entities and their confidences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..bridge.convert import split_rows
from ..bridge.crf import (
    CRFLoss,
    add_gradients,
    compute_loss,
    compute_rehearsal_loss,
    compute_span_probabilities,
    decode,
    decode_k_best,
    find_probable_spans,
)
from ..bridge.labels import score_labels
from ..bridge.model_types import CRFLayer, TokenScoresModel
from .entities import (
    N_POSITIONS,
    Bools,
    Floats,
    Spans,
    Tokens,
    choose_spans,
    find_allowed_tags,
    find_doc_starts,
    find_spans,
    write_entities,
)
from .factories import DEFAULT_TOK2VEC_MODEL
from .loading import SafeLoading
from .ner_gold import Gold, read_incorrect_spans
from .ner_scorer import score_ner
from .tagging import is_linear

DEFAULT_NER_MODEL = Config(
    {"@architectures": "spacy-bilstm.CRFTagger.v1", "nO": None, "tok2vec": DEFAULT_TOK2VEC_MODEL}
)
Parse = tuple[float, list[Span]]


@dataclass(frozen=True)
class PredictedEntities:
    """Entities of a batch of docs, without those that were set already.

    tokens: the docs' tokens.
    spans: the entities.
    probabilities: the probability of each, or None where nobody asked for them. Shape `(n_spans,)`.
    """

    tokens: Tokens
    spans: Spans
    probabilities: Floats | None


class BiLSTMEntityRecognizer(SafeLoading):
    """Entity recogniser with a conditional random field over BILUO tags; takes the place of spaCy's `ner`.

    No entity starts or ends in whitespace or goes on over a known start of a sentence, and entities that are set
    already stay, as do blocked tokens.
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
        confidences: the span group for predicted entities and their probabilities, or None for no probabilities.
        threshold: the entities are all spans that are at least so probable, 0 < threshold <= 1, the most probable
            first where they overlap; with 0 they are those of the most probable analysis.
        temperature: all scores are divided by it where probabilities are computed, > 0.
        incorrect_spans_key: the span group of reference docs with spans that are no entities of their label, or None.
        scorer: the scoring method.
        RAISES: ValueError for a threshold or temperature outside its range.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"The threshold of '{name}' is compared with probabilities, so not {threshold}: 0 to 1.")
        if not temperature > 0:
            raise ValueError(f"The temperature of '{name}' divides scores and must be above 0, but is {temperature}.")
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
        self.cfg: dict[str, Any] = {"labels": [], **self._configured, "configured": self._configured}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels; sorted, but for those that were added after initialisation, which come last."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """What `initialize` takes as labels, as `init labels` stores it."""
        return self.labels

    def add_label(self, label: str) -> int:
        """Add a label; to a trained model, too. It knows the new label from its next training on.

        label: the label.
        RETURNS: 0 if the label was there already, otherwise 1.
        RAISES: ValueError if the label is no string or empty.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(f"A label of '{self.name}' must be a string, and not an empty one, but is {label!r}.")
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self._is_initialized:
            self.set_output(self._n_tags)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Initialise the model.

        get_examples: gives examples, of which all are read for labels, if none are given, and some by the model.
        nlp: the pipeline.
        labels: the labels, as in `label_data`; those of the examples if None. Labels that were added before stay.
        RAISES: ValueError if there are no examples, or if the model is made for another number of labels.
        """
        validate_get_examples(get_examples, "BiLSTMEntityRecognizer.initialize")
        if labels is None:
            labels = {entity.label_ for example in get_examples() for entity in example.reference.ents}
        was_initialized = self._is_initialized
        names = sorted({*self.labels, *labels})
        self.cfg["labels"] = []
        for name in names:
            self.cfg["labels"].append(name)
            self.vocab.strings.add(name)
        self._set_number_of_tags(was_initialized)
        docs = [example.predicted for example in islice(get_examples(), 10)]
        sample = [self.model.ops.alloc2f(len(doc), self._n_tags) for doc in docs]
        self.model.initialize(X=docs, Y=sample)

    def _set_number_of_tags(self, was_initialized: bool) -> None:
        nO = self._crf.maybe_get_dim("nO")
        if nO is None or nO == self._n_tags:
            return
        if not was_initialized:
            raise ValueError(
                f"The model of '{self.name}' is made for {nO} tags (nO), but its {len(self.labels)} labels need "
                f"{self._n_tags}: one for 'O' and four for each. Set nO = null, so that the labels decide."
            )
        self.set_output(self._n_tags)

    def predict(self, docs: Iterable[Doc]) -> PredictedEntities:
        """Find the entities of docs, without changing these.

        docs: the docs.
        RETURNS: the entities.
        RAISES: ValueError if the model is not initialised.
        """
        docs = list(docs)
        tokens = Tokens.read(docs)
        emissions = self._emit(docs)
        allowed = find_allowed_tags(tokens, self._label_hashes)
        find = self._find_probable_spans if self.cfg["threshold"] else self._find_best_analysis
        spans, probabilities = find(tokens, emissions, allowed)
        is_new = ~tokens.is_preset[spans.starts]
        return PredictedEntities(tokens, spans.select(is_new), None if probabilities is None else probabilities[is_new])

    def _find_best_analysis(
        self, tokens: Tokens, emissions: list[Floats2d], allowed: Bools | None
    ) -> tuple[Spans, Floats | None]:
        spans = find_spans(decode(self._crf, emissions, allowed))
        if self.cfg["confidences"] is None:
            return spans, None
        return spans, compute_span_probabilities(
            self._crf, emissions, spans.starts, spans.ends, spans.labels, allowed, self.cfg["temperature"]
        )

    def _find_probable_spans(
        self, tokens: Tokens, emissions: list[Floats2d], allowed: Bools | None
    ) -> tuple[Spans, Floats | None]:
        *found, probabilities = find_probable_spans(
            self._crf, emissions, self.cfg["threshold"], allowed, self.cfg["temperature"]
        )
        spans = Spans(*found)
        chosen = choose_spans(spans, probabilities, tokens.n_rows)
        return spans.select(chosen), probabilities[chosen]

    def set_annotations(self, docs: Iterable[Doc], scores: PredictedEntities) -> None:
        """Set the entities of docs, and their confidences if the setting `confidences` names a span group for them.

        docs: the docs.
        scores: what `predict` gave for them.
        """
        docs = list(docs)
        write_entities(docs, scores.tokens, scores.spans, self._label_hashes)
        if self.cfg["confidences"] is not None:
            self._set_confidences(docs, scores, self.cfg["confidences"])

    def _set_confidences(self, docs: list[Doc], entities: PredictedEntities, key: str) -> None:
        assert entities.probabilities is not None
        lengths = entities.tokens.lengths
        by_doc = self._make_spans(docs, lengths, entities.spans)
        scores = iter(entities.probabilities.tolist())
        for doc, spans in zip(docs, by_doc, strict=True):
            doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={"scores": list(islice(scores, len(spans)))})

    def _make_spans(self, docs: Sequence[Doc], lengths: Sequence[int], spans: Spans) -> list[list[Span]]:
        """The spans of each doc."""
        starts = find_doc_starts(lengths)
        # Of docs that start at the same row, all but the last are empty.
        owners = numpy.searchsorted(starts, spans.starts, side="right") - 1
        shifts = starts[owners]
        labels = self.labels
        result: list[list[Span]] = [[] for _ in docs]
        rows = zip(owners, spans.starts - shifts, spans.ends - shifts, spans.labels, strict=True)
        for owner, start, end, label in rows:
            result[owner].append(Span(docs[owner], int(start), int(end), label=labels[label]))
        return result

    def k_best(self, docs: Iterable[Doc], k: int) -> list[list[Parse]]:
        """Find the k most probable analyses of docs, exactly, without changing these.

        In a pipeline with a shared tok2vec, the docs must have gone through that.

        docs: the docs.
        k: number of analyses, >= 1.
        RETURNS: for each doc its analyses, most probable first, fewer than k where there are no more: the probability
            and all entities, with those that were set already. The threshold has no effect on it.
        RAISES: ValueError if k is below 1 or the model is not initialised.
        """
        docs = list(docs)
        tokens = Tokens.read(docs)
        allowed = find_allowed_tags(tokens, self._label_hashes)
        tags, probabilities = decode_k_best(self._crf, self._emit(docs), k, allowed, self.cfg["temperature"])
        starts = find_doc_starts(tokens.lengths)
        result: list[list[Parse]] = [[] for _ in docs]
        for rank, path in enumerate(tags):
            for i, spans in enumerate(self._make_spans(docs, tokens.lengths, find_spans(path))):
                exists = path[starts[i]] >= 0 if tokens.lengths[i] else rank == 0
                if exists:
                    foreign = [entity for entity in docs[i].ents if entity.label_ not in self.labels]
                    result[i].append((float(probabilities[i, rank]), sorted(spans + foreign)))
        return result

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from examples. Labels in them that are new are added first, as spaCy's `ner` does.

        examples: the examples.
        drop: rate of dropout, 0 <= drop < 1.
        sgd: the optimizer, or None to add up gradients for a later update.
        losses: losses by component, to which this one's is added: the sum of negative log likelihoods of docs.
        RETURNS: the losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "BiLSTMEntityRecognizer.update")
        docs = [example.predicted for example in examples]
        if not any(len(doc) for doc in docs):
            return losses
        tokens = Tokens.read(docs)
        gold = Gold.read(examples, tokens)
        for label in gold.find_labels(examples):
            self.add_label(label)
        set_dropout_rate(self.model, drop)
        emissions, backprop = self.model.begin_update(docs)
        loss = self._compute_loss(examples, tokens, gold, emissions)
        self._learn(loss, backprop, sgd)
        losses[self.name] += loss.value
        return losses

    def get_loss(self, examples: Iterable[Example], scores: list[Floats2d]) -> tuple[float, list[Floats2d]]:
        """Give the loss of emissions and its gradient.

        Labels that the component lacks count as missing annotation. The gradients of the CRF's own parameters, which
        `update` takes into account, are not in the result.

        examples: the examples.
        scores: the model's output for their predicted docs.
        RETURNS: the sum of negative log likelihoods of docs, and the gradient of each array of scores.
        """
        examples = list(examples)
        validate_examples(examples, "BiLSTMEntityRecognizer.get_loss")
        tokens = Tokens.read([example.predicted for example in examples])
        loss = self._compute_loss(examples, tokens, Gold.read(examples, tokens), scores)
        return loss.value, loss.d_emissions

    def _compute_loss(
        self, examples: Sequence[Example], tokens: Tokens, gold: Gold, emissions: list[Floats2d]
    ) -> CRFLoss:
        # Entities that the predicted docs have already are not what is to be learned.
        allowed = find_allowed_tags(tokens, self._label_hashes, keep_presets=False)
        open_tags = gold.find_open_tags(tokens, self._label_hashes, allowed)
        key = self.cfg["incorrect_spans_key"]
        indices = {label: index for index, label in enumerate(self.labels)}
        incorrect = read_incorrect_spans(examples, key, indices, tokens.lengths) if key is not None else []
        return compute_loss(self._crf, emissions, open_tags, allowed, incorrect)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
        **config: Any,
    ) -> dict[str, float]:
        """Draw the model back to what it predicted when training was resumed, as far as old labels go.

        examples: the examples, of which only the predicted docs are read.
        drop: rate of dropout, 0 <= drop < 1.
        sgd: the optimizer, or None to add up gradients for a later update.
        losses: losses by component, to which this one's is added: the sum over docs of the divergence (Kullback-
            Leibler) of the model's distribution of tag sequences from that of the old one.
        config: of no effect.
        RETURNS: the losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "BiLSTMEntityRecognizer.rehearse")
        docs = [example.predicted for example in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        set_dropout_rate(self.model, drop)
        set_dropout_rate(self._rehearsal_model, 0.0)
        emissions, backprop = self.model.begin_update(docs)
        old_emissions = self._rehearsal_model.predict(docs)
        loss = compute_rehearsal_loss(self._crf, emissions, self._rehearsal_model.get_ref("crf"), old_emissions)
        self._learn(loss, backprop, sgd)
        losses[self.name] += loss.value
        return losses

    def _learn(self, loss: CRFLoss, backprop: Callable[[list[Floats2d]], Any], sgd: Optimizer | None) -> None:
        add_gradients(self._crf, loss)
        backprop(loss.d_emissions)
        if sgd:
            self.finish_update(sgd)

    def _load(self, load: Callable[[], Any], source: str) -> Any:
        """Load, but keep settings that the present config gives another value than the config of the training did."""
        super()._load(load, source)
        stored: Mapping[str, Any] = self.cfg["configured"]
        for name, value in self._configured.items():
            if name not in stored or stored[name] != value:
                self.cfg[name] = value
        self.cfg["configured"] = self._configured
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
        return 1 + N_POSITIONS * len(self.labels)

    @property
    def _label_hashes(self) -> list[int]:
        return [self.vocab.strings.add(label) for label in self.labels]

    def _emit(self, docs: list[Doc]) -> list[Floats2d]:
        if not self._is_initialized:
            raise ValueError(
                f"Can't use '{self.name}' before its model is initialized. Train it, load it with spacy.load, or call "
                "nlp.initialize with a sample of examples."
            )
        if not any(len(doc) for doc in docs):  # Not every model takes a batch of nothing.
            return [self.model.ops.alloc2f(0, self._n_tags) for _ in docs]
        if not is_linear(self.model, "output_layer", self._crf):
            return self.model.predict(docs)
        tok2vec, output = self.model.get_ref("tok2vec"), self.model.get_ref("output_layer")
        scores = score_labels(tok2vec.predict(docs), output.get_param("W"), output.get_param("b"))
        return split_rows(scores, [len(doc) for doc in docs])


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
        `scores`, as in `doc.spans[confidences].attrs["scores"]`. No probabilities are computed if null.
    threshold: the entities are all spans that are at least so probable, 0 < threshold <= 1, the most probable
        first where they overlap; with 0 they are those of the most probable analysis.
    temperature: all scores are divided by it where probabilities are computed, > 0. Above 1 the model gets less
        confident; which entities it finds does not depend on it, but for the threshold.
    incorrect_spans_key: the span group of reference docs that has spans which are known not to be entities of their
        label, or null.
    scorer: the scoring method.
    RETURNS: the component.
    RAISES: ValueError for a threshold or temperature outside its range.
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


Language.factory(
    "bilstm_ner",
    func=make_bilstm_ner,
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_NER_MODEL,
        "confidences": None,
        "threshold": 0.0,
        "temperature": 1.0,
        "incorrect_spans_key": None,
        "scorer": {"@scorers": "spacy-bilstm.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
