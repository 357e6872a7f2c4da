"""Recurrent encoders for spaCy.

Importing the package only defines its version. spaCy loads everything else through the entry points in pyproject.toml,
which are the public API.
"""

from importlib.metadata import version

__version__ = version("spacy-bilstm")
