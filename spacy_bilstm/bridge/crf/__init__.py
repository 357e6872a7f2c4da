"""The CRF as a thinc layer: its losses, and what it predicts from emissions."""

from .batch import Emissions, Mask
from .inference import compute_span_probabilities, decode, decode_k_best, find_probable_spans
from .layer import resize, with_crf
from .losses import CRFLoss, add_gradients, compute_loss, compute_rehearsal_loss

__all__ = [
    "CRFLoss",
    "Emissions",
    "Mask",
    "add_gradients",
    "compute_loss",
    "compute_rehearsal_loss",
    "compute_span_probabilities",
    "decode",
    "decode_k_best",
    "find_probable_spans",
    "resize",
    "with_crf",
]
