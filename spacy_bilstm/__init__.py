"""Recurrent encoders for spaCy.

Importing the package does nothing but give its version: spaCy finds everything else through the entry points that
pyproject.toml lists, which are the public API.
"""

from importlib.metadata import version

__version__ = version("spacy-bilstm")
