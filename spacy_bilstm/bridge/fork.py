"""Make torch safe in forked processes. Every call of torch calls `make_fork_safe` first."""

from __future__ import annotations

import os

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
