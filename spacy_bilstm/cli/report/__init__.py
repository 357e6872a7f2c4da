"""Room cli: `spacy bilstm report`: a trained pipeline and a corpus come in, a page on how well it does goes out."""

from .command import report

__all__ = ["report"]
