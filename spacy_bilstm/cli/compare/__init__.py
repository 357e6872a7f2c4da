"""`spacy bilstm compare`: encoders are trained side by side on probe tasks or on a corpus."""

from .commands import compare

__all__ = ["compare"]
