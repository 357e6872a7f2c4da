"""Leave whitespace tokens out of the tag sequences of docs whose encoder does not read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy
from thinc.types import ArrayXd

from ..bridge.crf import Emissions
from ..bridge.model_types import CRFLayer, TokenScoresModel
from .entities import Ints, Spans, Tokens


@dataclass(frozen=True)
class WordSequences:
    """The tokens that the CRF reads, and their scores.

    tokens: the tokens.
    emissions: their scores.
    positions: the index of each of them among all tokens of the batch, or None if they are all tokens.
    """

    tokens: Tokens
    emissions: Emissions
    positions: Ints | None = None

    def restore(self, spans: Spans) -> Spans:
        """Return spans of these tokens as spans of all tokens. They include the whitespace inside them."""
        if self.positions is None:
            return spans
        return Spans(self.positions[spans.starts], self.positions[spans.ends - 1] + 1, spans.labels)


def skip_whitespace(tokens: Tokens, emissions: Emissions, model: TokenScoresModel, crf: CRFLayer) -> WordSequences:
    """Leave out whitespace tokens that the encoder has not read, so a second space changes no entity and no confidence.

    An encoder that skips whitespace gives it vectors of zeros, and its scores are the bias of the output layer.

    tokens: the tokens of a batch.
    emissions: their scores.
    model: the model that computed the scores.
    crf: its CRF.
    RETURNS: the other tokens and their scores, or all tokens if the encoder reads whitespace or there is none.
    """
    if not tokens.is_space.any() or not model.has_ref("output_layer"):
        return WordSequences(tokens, emissions)
    xp, scores = crf.ops.xp, emissions.scores
    is_space: Any = crf.ops.asarray(cast(ArrayXd, tokens.is_space))
    if not bool(xp.equal(scores[is_space], model.get_ref("output_layer").get_param("b")).all()):
        return WordSequences(tokens, emissions)
    # Whitespace with a preset stays, so that the boundaries of preset entities do.
    is_kept = ~tokens.is_space | tokens.is_preset
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
    scores = scores[crf.ops.asarray(cast(ArrayXd, positions))]
    return WordSequences(kept, Emissions(scores, lengths), positions)
