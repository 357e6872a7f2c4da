"""Make torch and locks safe in forked processes. Every call of torch calls `make_fork_safe` first."""

from __future__ import annotations

import os
import threading

import torch

_torch_process = os.getpid()


def make_fork_safe() -> None:
    """Limit torch to one thread in a forked process.

    The threads of torch's OpenMP pool do not survive a fork. A child process that waits for them hangs forever, as in
    `nlp.pipe(n_process=2)` after multi-threaded torch work in the parent. With one thread torch waits for no other.
    torch's own DataLoader does the same in its workers.
    """
    global _torch_process
    if os.getpid() != _torch_process:
        torch.set_num_threads(1)
        _torch_process = os.getpid()


def make_fork_lock() -> threading.RLock:
    """Make a lock that a fork waits for.

    So what it guards is complete in a forked process, and the lock is free there. It is never removed: make one for a
    module, not for an object.

    RETURNS: the lock. The thread that holds it can acquire it again.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
