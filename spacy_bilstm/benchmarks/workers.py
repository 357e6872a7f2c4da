"""Worker processes. Each holds one thing that is measured, with memory and threads of its own, and its
methods are called from the command's process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

# Read by numerical libraries when they are loaded.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class WorkerError(Exception):
    """What a worker was told to do failed, or its process ended."""


class Worker:
    """A process of its own that makes an object and then waits for calls of its methods.

    name: what messages call it.
    make: a class or function at the top of a module, called in the worker with the arguments.
    arguments: what can be pickled.
    threads: number of threads that numerical libraries may use in the worker.
    """

    def __init__(self, name: str, make: Callable[..., object], arguments: Sequence[object], threads: int) -> None:
        self.name = name
        # A forked process would share this one's memory, and may hang in torch's threads.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        with _inherited(dict.fromkeys(_THREAD_VARIABLES, str(threads))):
            self._process.start()
        theirs.close()

    def call(self, method: str, *arguments: object) -> Any:
        """Call a method of the worker's object and wait for what it returns.

        RAISES: WorkerError if it raises, with what it raised, or if the process has ended.
        """
        with suppress(OSError):  # The process may have ended; why is said below.
            self._connection.send((method, arguments))
        return self.receive()

    def receive(self) -> Any:
        """Wait for the answer to the last call, or for the object to be made.

        RAISES: WorkerError as `call` does.
        """
        try:
            failure, answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            raise WorkerError(
                f"{self.name}: its process ended with exit code {code}"
                + (": the system may have been out of memory." if code == -9 else ".")
            ) from None
        if failure:
            raise WorkerError(f"{self.name}: {failure}")
        return answer

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self._connection.close()


@contextmanager
def start_workers(
    names: Sequence[str], make: Callable[..., object], arguments: Sequence[Sequence[object]], threads: int
) -> Iterator[list[Worker]]:
    """Start a worker for each name, wait until all are ready, and end them with the block.

    names: what messages call the workers.
    make, arguments, threads: as `Worker` takes them, with arguments for each worker.
    RAISES: WorkerError if one can't make its object.
    """
    workers: list[Worker] = []
    try:
        for name, given in zip(names, arguments, strict=True):
            workers.append(Worker(name, make, given, threads))
        for worker in workers:
            worker.receive()
        yield workers
    finally:
        for worker in workers:
            worker.close()


@contextmanager
def _inherited(variables: dict[str, str]) -> Iterator[None]:
    """Start processes with some environment variables, and deaf to the keyboard: the command's process ends them."""
    before = {name: os.environ.get(name) for name in variables}
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(variables)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, make: Callable[..., object], arguments: Sequence[object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows does not inherit it.
    try:
        subject = make(*arguments)
        connection.send((None, None))
        while True:
            method, given = connection.recv()
            connection.send((None, getattr(subject, method)(*given)))
    except EOFError:
        pass  # The command's process is gone.
    except Exception as error:
        connection.send((f"{type(error).__name__}: {error}", None))
