"""Leave whitespace tokens out of the tag sequences of docs whose encoder does not read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy
from thinc.types import ArrayXd

from ..bridge.convert import concatenate_documents, split_documents
from ..bridge.crf import CRFLoss, Emissions
from ..bridge.model_types import CRFLayer, TokenScoresModel
from .entities import Bools, Ints, Spans, Tokens


@dataclass(frozen=True)
class WordSequences:
    """The tokens that the CRF reads, and their scores.

    all_tokens: all tokens of the batch.
    tokens: the tokens that the CRF reads.
    emissions: their scores.
    positions: the index of each of them among all tokens of the batch, or None if they are all tokens.
    """

    all_tokens: Tokens
    tokens: Tokens
    emissions: Emissions
    positions: Ints | None = None

    @property
    def is_read(self) -> Bools:
        """Whether the CRF reads each token of the batch. Shape `(n_tokens,)`."""
        is_read = numpy.ones(len(self.all_tokens), dtype=bool)
        if self.positions is not None:
            is_read[:] = False
            is_read[self.positions] = True
        return is_read

    def select(self, values: Any) -> Any:
        """Return the values of the tokens that the CRF reads.

        values: an array with a row for each token of the batch.
        """
        return values if self.positions is None else values[self.positions]

    def select_emissions(self, emissions: Emissions, crf: CRFLayer) -> Emissions:
        """Return the emissions of the tokens that the CRF reads, from those of all tokens.

        emissions: the emissions, perhaps of another model.
        crf: the CRF.
        """
        if self.positions is None:
            return emissions
        return Emissions(emissions.scores[_to_array(crf, self.positions)], self.tokens.lengths)

    def restore(self, spans: Spans) -> Spans:
        """Return spans of these tokens as spans of all tokens. They include the whitespace inside them."""
        if self.positions is None:
            return spans
        return Spans(self.positions[spans.starts], self.positions[spans.ends - 1] + 1, spans.labels)

    def restore_loss(self, loss: CRFLoss, crf: CRFLayer) -> CRFLoss:
        """Return the loss of these tokens as a loss of all tokens. The gradients of other tokens are zero.

        loss: the loss.
        crf: the CRF.
        """
        if self.positions is None:
            return loss
        ops, n_tags = crf.ops, crf.get_dim("nO")
        d_emissions = ops.alloc2f(len(self.all_tokens), n_tags)
        d_emissions[_to_array(crf, self.positions)] = concatenate_documents(ops, loss.d_emissions, n_tags)
        return loss._replace(d_emissions=split_documents(d_emissions, self.all_tokens.lengths))


def skip_whitespace(
    tokens: Tokens, emissions: Emissions, model: TokenScoresModel, crf: CRFLayer, keep_presets: bool = True
) -> WordSequences:
    """Leave out whitespace tokens that the encoder has not read, so a second space changes no entity and no confidence.

    An encoder that skips whitespace gives it vectors of zeros, and its scores are the bias of the output layer. Before
    the first update of a model, the scores of all tokens are: its output layer has weights of zero.

    tokens: the tokens of a batch.
    emissions: their scores.
    model: the model that computed the scores.
    crf: its CRF.
    keep_presets: whether to keep whitespace with preset annotation, and so the boundaries of preset entities.
    RETURNS: the other tokens and their scores, or all tokens if the encoder reads whitespace or there is none.
    """
    if not tokens.is_space.any() or not model.has_ref("output_layer"):
        return WordSequences(tokens, tokens, emissions)
    xp, scores = crf.ops.xp, emissions.scores
    is_space = _to_array(crf, tokens.is_space)
    if not bool(xp.equal(scores[is_space], model.get_ref("output_layer").get_param("b")).all()):
        return WordSequences(tokens, tokens, emissions)
    is_kept = ~tokens.is_space | tokens.is_preset if keep_presets else ~tokens.is_space
    positions = is_kept.nonzero()[0]
    docs = numpy.repeat(numpy.arange(len(tokens.lengths)), tokens.lengths)[positions]
    lengths = numpy.bincount(docs, minlength=len(tokens.lengths)).tolist()
    # A token starts a sentence if the whitespace before it does.
    n_sentences = numpy.cumsum(tokens.starts_sentence)[positions]
    kept = Tokens(
        lengths,
        numpy.append(True, docs[1:] != docs[:-1])[: len(docs)],
        tokens.is_space[positions],
        n_sentences > numpy.append(0, n_sentences)[: len(docs)],
        tokens.ent_iob[positions],
        tokens.ent_type[positions],
    )
    return WordSequences(tokens, kept, Emissions(scores[_to_array(crf, positions)], lengths), positions)


def _to_array(crf: CRFLayer, values: Any) -> Any:
    return crf.ops.asarray(cast(ArrayXd, values))
