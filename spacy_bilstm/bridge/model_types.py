"""Names for the signatures of thinc models that pass between the packages."""

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ragged

Tok2VecModel = Model[list[Doc], list[Floats2d]]
"""From docs to one array of token vectors per doc, each of shape `(len(doc), nO)`."""

TokenScoresModel = Model[list[Doc], list[Floats2d]]
"""From docs to one array of label scores per doc, each of shape `(len(doc), nO)`."""

DocScoresModel = Model[list[Doc], Floats2d]
"""From docs to one row of label scores per doc. Shape `(n_docs, nO)`."""

EncoderModel = Model[list[Floats2d], list[Floats2d]]
"""From arrays of token vectors, of shape `(length, nI)`, to as many of shape `(length, nO)`."""

CRFLayer = Model[list[Floats2d], list[Floats2d]]
"""A layer that holds the parameters of a CRF and passes emissions through, each of shape `(length, n_tags)`."""

PoolingModel = Model[Ragged, Floats2d]
"""From the token vectors of all docs to one vector per doc. Shape `(n_docs, nO)`."""

OutputLayer = Model[Floats2d, Floats2d]
"""From vectors to scores of labels. Shape `(n, nO)`."""
