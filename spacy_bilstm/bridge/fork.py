"""Torch in a forked process. Every call into torch passes through here first."""

from __future__ import annotations

import os

import torch

_torch_process = os.getpid()


def make_fork_safe() -> None:
    """Let torch compute on one thread in a process that was forked.

    The threads of torch's OpenMP pool do not survive a fork, and a child that waits for them hangs for ever
    (`nlp.pipe(n_process=2)` after any multi-threaded torch work in the parent). With one thread none is waited for.
    torch's own DataLoader does the same in its workers.
    """
    global _torch_process
    if os.getpid() != _torch_process:
        torch.set_num_threads(1)
        _torch_process = os.getpid()
