"""A component that loads completely or not at all, and that neither learns from, saves nor loads NaN or infinity."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import srsly
from spacy.pipeline import TrainablePipe
from thinc.api import Optimizer

from ..bridge.finite import find_not_finite
from ..bridge.format import FORMAT, FormatError, find_format_error
from ..bridge.model_arrays import clear_gradients, count_updates, list_gradients, list_weights
from ..bridge.model_state import ModelState
from ..bridge.stored_model import adopt_number_of_outputs, check_stored_model
from .stored_settings import check_stored_settings, get_stored_labels

Self = TypeVar("Self", bound="SafeLoading")
_MAX_NAMES = 5


class SafeLoading(TrainablePipe):
    """A trainable component that does not change if loading fails, and whose weights stay finite."""

    def from_disk(self: Self, path: str | Path, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from a directory. All of it is checked before any of it is assigned.

        path: the directory that `to_disk` wrote.
        exclude: names of serialization fields to leave out.
        RETURNS: the component itself.
        RAISES: ValueError if the data is invalid; the message names the component, the directory and the problem.
        """
        path, exclude = Path(path), list(exclude)

        def load() -> Self:
            self._prepare(_read_directory(path, exclude))
            super(SafeLoading, self).from_disk(path, exclude=exclude)
            return self

        return self._load(load, str(path))

    def from_bytes(self: Self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from bytes. All of it is checked before any of it is assigned.

        bytes_data: the bytes that `to_bytes` returned.
        exclude: names of serialization fields to leave out.
        RETURNS: the component itself.
        RAISES: ValueError if the data is invalid; the message names the component and the problem.
        """
        exclude = list(exclude)

        def load() -> Self:
            self._prepare(_read_bytes(bytes_data, exclude))
            super(SafeLoading, self).from_bytes(bytes_data, exclude=exclude)
            return self

        return self._load(load, "bytes")

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a directory.

        path: the directory.
        exclude: names of serialization fields to leave out.
        RAISES: ValueError if a weight is NaN or infinite; nothing is written then.
        """
        self._check_weights()
        self.cfg["format"] = FORMAT
        super().to_disk(path, exclude=exclude)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Return the component as bytes.

        exclude: names of serialization fields to leave out.
        RETURNS: the bytes.
        RAISES: ValueError if a weight is NaN or infinite.
        """
        self._check_weights()
        self.cfg["format"] = FORMAT
        data: bytes = super().to_bytes(exclude=exclude)
        return data

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights with the gradients of the batches since the last update.

        sgd: the optimizer.
        RAISES: ValueError if a gradient is NaN or infinite. The weights have not changed then, and the component's
            gradients are discarded.
        """
        not_finite = find_not_finite(list_gradients(self.model))
        if not_finite:
            clear_gradients(self.model)
            raise ValueError(
                f"Training of the component '{self.name}' diverged in step {count_updates(self.model, sgd) + 1}: the "
                f"gradients of {_enumerate(not_finite)} are NaN or infinite. Its weights have not changed. Try a lower "
                "learning rate, an optimizer that clips gradients, such as spacy-bilstm.Adam.v1, or mixed_precision = "
                "false, and check static vectors for values that are not finite."
            )
        super().finish_update(sgd)

    def check_scores(self, scores: Sequence[Any], sgd: Optimizer | None = None) -> None:
        """Check the scores that the model has computed in training, before a loss is computed from them.

        scores: arrays of scores.
        sgd: the optimizer, which knows the number of the step, or None if it is called later.
        RAISES: ValueError if a score is NaN or infinite.
        """
        if find_not_finite(("", array) for array in scores):
            raise self.make_divergence_error(sgd)

    @contextmanager
    def naming_divergence(self, scores: Any) -> Iterator[None]:
        """Make errors about scores that are NaN or infinite name the component.

        scores: the scores that the block computes with.
        """
        try:
            yield
        except ValueError:
            self.check_scores([scores])
            raise

    def make_divergence_error(self, sgd: Optimizer | None = None) -> ValueError:
        """Make the error for scores that are NaN or infinite.

        sgd: the optimizer, which knows the number of the step, or None if it is called later.
        RETURNS: the error. It names the component and its weights that are not finite.
        """
        step = f" in step {count_updates(self.model, sgd) + 1}" if sgd else ""
        not_finite = find_not_finite(list_weights(self.model))
        reason = f"the weights {_enumerate(not_finite)}" if not_finite else "the scores that its model computes"
        return ValueError(
            f"Training of the component '{self.name}' diverged{step}: {reason} are NaN or infinite. Train again from "
            "the last model that was saved, with a lower learning rate, and check static vectors for values that are "
            "not finite."
        )

    def _check_weights(self) -> None:
        not_finite = find_not_finite(list_weights(self.model))
        if not_finite:
            raise ValueError(
                f"Can't save the component '{self.name}': the weights {_enumerate(not_finite)} are NaN or infinite. "
                "Training diverged. Train again from the last model that was saved, with a lower learning rate."
            )

    def _prepare(self, stored: Mapping[str, Any]) -> None:
        """Check what was stored, then give the model as many outputs as the stored one has.

        RAISES: ValueError that names the field and the problem.
        """
        self._check_stored(stored)
        if "model" in stored:
            adopt_number_of_outputs(self.model, stored["model"])

    def _check_stored(self, stored: Mapping[str, Any]) -> None:
        """Check what was stored in the fields `cfg` and `model`.

        RAISES: ValueError that names the field and the problem.
        """
        if "cfg" in stored:
            try:
                check_stored_settings(stored["cfg"])
            except ValueError as error:
                raise ValueError(f"in 'cfg', {error}") from error
        if "model" not in stored:
            return
        try:
            n_outputs = check_stored_model(self.model, stored["model"])
        except Exception as error:
            raise ValueError(f"in 'model', {error}") from error
        labels = get_stored_labels({**self.cfg, **stored["cfg"]}) if "cfg" in stored else None
        if n_outputs is None or labels is None:
            return
        expected = self._count_outputs(len(labels))
        if n_outputs != expected:
            raise ValueError(f"the {len(labels)} labels in 'cfg' need {expected} outputs, but 'model' has {n_outputs}")

    def _count_outputs(self, n_labels: int) -> int:
        """Return the number of outputs of the model for a number of labels."""
        return n_labels

    def _load(self: Self, load: Callable[[], Self], source: str) -> Self:
        settings, state = copy.deepcopy(self.cfg), ModelState(self.model)
        try:
            return load()
        except Exception as error:
            self.cfg.clear()
            self.cfg.update(settings)
            state.restore()
            format_error = find_format_error(error)
            if format_error is not None:
                raise FormatError(f"Can't load the component '{self.name}' from {source}: {format_error}") from error
            reason = str(error).rstrip(".")
            raise ValueError(
                f"Can't load the component '{self.name}' from {source}: {reason}. The component has not changed. If "
                "its files are damaged or truncated, copy them again from their source. If its config has changed "
                "since it was trained, load it with the config.cfg that was saved with it."
            ) from error


def _read_directory(path: Path, exclude: list[str]) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    if "cfg" not in exclude:
        stored["cfg"] = _read_json((path / "cfg").read_bytes()) if (path / "cfg").exists() else {}
    if "model" not in exclude:
        stored["model"] = (path / "model").read_bytes()
    return stored


def _read_json(data: str | bytes) -> Any:
    try:
        return srsly.json_loads(data)
    except (ValueError, TypeError) as error:
        raise ValueError(f"'cfg' is not valid JSON ({error})") from error


def _read_bytes(data: bytes, exclude: list[str]) -> dict[str, Any]:
    message = srsly.msgpack_loads(data)
    if not isinstance(message, dict):
        raise ValueError("the bytes are not those of a component")
    stored: dict[str, Any] = {}
    if "cfg" not in exclude:
        stored["cfg"] = _read_json(message["cfg"]) if "cfg" in message else {}
    if "model" in message and "model" not in exclude:
        stored["model"] = message["model"]
    return stored


def _enumerate(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
