"""A thinc model that checks stored weights before it loads any of them, for code that loads a model on its own."""

from __future__ import annotations

from thinc.api import Model
from thinc.model import InT, OutT

from .format import FormatError, find_format_error
from .stored_model import check_stored_model


class CheckedModel(Model[InT, OutT]):
    """A model with clear errors for weights that do not fit, as when `[initialize] init_tok2vec` loads them."""

    def from_bytes(self, bytes_data: bytes) -> CheckedModel[InT, OutT]:
        """Load the model.

        bytes_data: the bytes that `to_bytes` returned.
        RETURNS: the model itself.
        RAISES: ValueError that names the layer and what does not fit. The model has not changed then.
        """
        try:
            check_stored_model(self, bytes_data)
        except Exception as error:
            format_error = find_format_error(error)
            if format_error is not None:
                raise FormatError(f"Can't load stored weights into the model '{self.name}': {format_error}") from error
            problem = str(error).rstrip(".")
            raise ValueError(
                f"Can't load stored weights into the model '{self.name}': {problem}. The model has not changed. "
                "If the file is damaged, copy it again from its source. Otherwise, use a config with the same widths, "
                "rows and layers as the one that the weights were trained with: weights from `spacy pretrain` fit the "
                "tok2vec of its config only."
            ) from error
        super().from_bytes(bytes_data)
        return self
