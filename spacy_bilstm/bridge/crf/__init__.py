"""The CRF as a thinc layer: its losses, and what it predicts from emissions."""

from .batch import Emissions, Mask
from .inference import (
    TagPairs,
    compute_span_probabilities,
    compute_tag_pairs,
    decode,
    decode_k_best,
    find_probable_spans,
)
from .layer import resize, with_crf
from .losses import (
    CRFLoss,
    ExpectedCounts,
    add_gradients,
    compute_distillation_loss,
    compute_loss,
    compute_rehearsal_loss,
)

__all__ = [
    "CRFLoss",
    "Emissions",
    "ExpectedCounts",
    "Mask",
    "TagPairs",
    "add_gradients",
    "compute_distillation_loss",
    "compute_loss",
    "compute_rehearsal_loss",
    "compute_span_probabilities",
    "compute_tag_pairs",
    "decode",
    "decode_k_best",
    "find_probable_spans",
    "resize",
    "with_crf",
]
