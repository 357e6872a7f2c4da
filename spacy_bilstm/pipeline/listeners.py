"""Checks for components that listen to a shared tok2vec."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from spacy.training import Example

from .loading import SafeLoading


class ListenerChecks(SafeLoading):
    """A component whose model may listen to a shared tok2vec. It says so if that tok2vec has not run."""

    _rehearsal_model: Any = None
    _has_warned = False

    def check_vectors(self, docs: Sequence[Doc]) -> None:
        """Warn, once for each component, if the shared tok2vec has not run on docs. spaCy then reads zeros.

        docs: the docs to predict.
        """
        listener = self._listener
        if listener is None or self._has_warned or _have_vectors(docs):
            return
        self._has_warned = True
        warnings.warn(
            f"The predictions of '{self.name}' are meaningless: it listens to {_describe(listener)}, which has not run "
            f"on these docs. Enable that component. To use '{self.name}' without it, first copy it into '{self.name}' "
            "with nlp.replace_listeners.",
            stacklevel=3,
        )

    def check_rehearsal(self, examples: Iterable[Example]) -> None:
        """Check that the component can be rehearsed. `nlp.rehearse` does not run the shared tok2vec.

        examples: the examples to rehearse.
        RAISES: ValueError if the component listens to a shared tok2vec that is trained or has not run on the docs.
        """
        listener = self._listener
        if listener is None or self._rehearsal_model is None:
            return
        docs = [example.predicted for example in examples]
        trained_on = listener._batch_id  # None: it is frozen, or an update has not started yet.
        if _have_vectors(docs) if trained_on is None else trained_on == listener.get_batch_id(docs):
            return
        raise ValueError(
            f"Can't rehearse '{self.name}': it listens to {_describe(listener)}, and nlp.rehearse does not run shared "
            f"components. Give '{self.name}' a tok2vec of its own with nlp.replace_listeners, then call "
            "nlp.resume_training again."
        )

    @property
    def _listener(self) -> Tok2VecListener | None:
        if not self.model.has_ref("tok2vec"):
            return None
        tok2vec = self.model.get_ref("tok2vec")
        return tok2vec if isinstance(tok2vec, Tok2VecListener) else None


def _have_vectors(docs: Sequence[Doc]) -> bool:
    return all(doc.tensor.size or not len(doc) for doc in docs)


def _describe(listener: Tok2VecListener) -> str:
    name = listener.upstream_name
    return "the pipeline's tok2vec" if name == "*" else f"'{name}'"
