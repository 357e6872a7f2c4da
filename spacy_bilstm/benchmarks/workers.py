"""Worker processes: each holds one object to measure, with its own memory and threads.

The main process calls the object's methods.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

# Numerical libraries read these when they are loaded.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class WorkerError(Exception):
    """A call in a worker failed, or the worker's process ended."""


class Worker:
    """A process that creates an object and then waits for calls of its methods.

    name: the name that messages use.
    make: creates the object. A class or function at the top level of a module.
    arguments: arguments of `make`. They must be picklable.
    threads: number of threads that numerical libraries may use in the worker.
    """

    def __init__(self, name: str, make: Callable[..., object], arguments: Sequence[object], threads: int) -> None:
        self.name = name
        # A forked process would share memory with this one, and may hang in torch's threads.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        with _worker_environment(dict.fromkeys(_THREAD_VARIABLES, str(threads))):
            self._process.start()
        theirs.close()

    def call(self, method: str, *arguments: object) -> Any:
        """Call a method of the worker's object and wait for its result.

        method: name of the method.
        arguments: its arguments. They must be picklable.
        RETURNS: its result.
        RAISES: WorkerError, with the original message, if the method raises an exception; WorkerError if the process
            has ended.
        """
        with suppress(OSError):  # The process may have ended. `receive` reports that.
            self._connection.send((method, arguments))
        return self.receive()

    def receive(self) -> Any:
        """Wait for the result of the last call, or for the object to be created.

        RETURNS: the result; None when the object has been created.
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
        """End the process, even in the middle of a call."""
        self._process.terminate()
        self._process.join()
        self._connection.close()


@contextmanager
def start_workers(
    names: Sequence[str], make: Callable[..., object], arguments: Sequence[Sequence[object]], threads: int
) -> Iterator[list[Worker]]:
    """Start one worker for each name and wait until all are ready. They end with the `with` block.

    names: the workers' names in messages.
    make, threads: as for `Worker`.
    arguments: arguments of `make` for each worker.
    RETURNS: the workers.
    RAISES: WorkerError if a worker fails to create its object.
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
def _worker_environment(variables: dict[str, str]) -> Iterator[None]:
    """Make processes started in this block inherit environment variables and ignore Ctrl-C.

    The main process handles Ctrl-C and ends its workers.
    """
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
        pass  # The main process has ended.
    except Exception as error:
        connection.send((f"{type(error).__name__}: {error}", None))
