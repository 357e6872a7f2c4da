"""Load a component's data from disk or bytes, completely or not at all."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from spacy.pipeline import TrainablePipe

Self = TypeVar("Self", bound="SafeLoading")


class SafeLoading(TrainablePipe):
    """A trainable component that does not change if loading fails."""

    def from_disk(self: Self, path: str | Path, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from a directory.

        path: the directory that `to_disk` wrote.
        exclude: names of serialization fields to leave out.
        RETURNS: the component itself.
        RAISES: ValueError if the data is invalid; the message names the component, the directory and the problem.
        """
        return self._load(lambda: super(SafeLoading, self).from_disk(path, exclude=exclude), str(path))

    def from_bytes(self: Self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from bytes.

        bytes_data: the bytes that `to_bytes` returned.
        exclude: names of serialization fields to leave out.
        RETURNS: the component itself.
        RAISES: ValueError if the data is invalid; the message names the component and the problem.
        """
        return self._load(lambda: super(SafeLoading, self).from_bytes(bytes_data, exclude=exclude), "bytes")

    def _load(self: Self, load: Callable[[], Self], source: str) -> Self:
        before = self.to_bytes(exclude=["vocab"])
        try:
            return load()
        except Exception as error:
            super().from_bytes(before, exclude=["vocab"])
            reason = str(error).rstrip(".")
            raise ValueError(
                f"Can't load the component '{self.name}' from {source}: {reason}. The component has not changed. If "
                "its files are damaged or truncated, copy them again from their source. If its config has changed "
                "since it was trained, load it with the config.cfg that was saved with it."
            ) from error
