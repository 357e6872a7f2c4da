"""Loading a component's data from disk or bytes, all of it or none."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spacy.pipeline import TrainablePipe


class SafeLoading(TrainablePipe):
    """A trainable component that a failed load leaves as it was."""

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from a directory that `to_disk` wrote.

        path: the directory.
        exclude: names of serialization fields to leave out.
        RETURNS: the component itself.
        RAISES: ValueError that names the component, the directory and what is wrong there.
        """
        return self._load(lambda: super(SafeLoading, self).from_disk(path, exclude=exclude), str(path))

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from bytes that `to_bytes` gave.

        bytes_data: the bytes.
        exclude: names of serialization fields to leave out.
        RETURNS: the component itself.
        RAISES: ValueError that names the component and what is wrong with the bytes.
        """
        return self._load(lambda: super(SafeLoading, self).from_bytes(bytes_data, exclude=exclude), "bytes")

    def _load(self, load: Callable[[], Any], source: str) -> Any:
        before = self.to_bytes(exclude=["vocab"])
        try:
            return load()
        except Exception as error:
            super().from_bytes(before, exclude=["vocab"])
            reason = str(error).rstrip(".")
            raise ValueError(
                f"Can't load the component '{self.name}' from {source}: {reason}. The component is as it was. If "
                "its files are damaged or truncated, copy them again from their source; if its config changed since "
                "it was trained, load it with the config.cfg that was saved beside it."
            ) from error
