"""Process settings: waiting of CPU threads, memory reuse (both measured by benchmarks/process.py), and Ctrl-C."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h
_NEVER = 2**31 - 1  # free bytes at the top of the heap above which glibc returns them to the system


def set_up() -> None:
    """Applies `wait_shortly` and `keep_memory`. Programs call it before torch is imported."""
    wait_shortly()
    keep_memory()


def wait_shortly() -> None:
    """Limits how long torch's CPU threads spin while they wait for each other, unless the environment sets it.

    By default they spin for a long time, which is fast if no other process uses the cores. With other processes, such
    as workers that decode clips, spinning threads take CPU time that these processes need. 1,000 iterations cost
    nothing next to a busy process, and on idle cores less than sleeping at once. Has no effect once torch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def keep_memory() -> None:
    """Reuses the memory of freed tensors if the C library is glibc; does nothing otherwise.

    Each training step allocates and frees the same large tensors. By default, glibc returns the memory to the system
    and requests it again, and the system clears every page again, which took half the time of a step. With this
    setting, the process keeps its peak memory.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


@contextmanager
def delay_interrupts() -> Iterator[None]:
    """Context that delays Ctrl-C in this process, and in the processes started within it.

    The terminal sends Ctrl-C to all of them, and a process that is still importing modules would end with a traceback.
    This process receives the signal at the end of the block, the new processes receive it in :func:`interruptible`.
    Does nothing on systems that cannot block signals (Windows).
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # imported here, because it would double the time of `--help`

    resource_tracker.ensure_running()  # starting this process of multiprocessing later would unblock the signal
    received: list[int] = []
    in_main_thread = threading.current_thread() is threading.main_thread()  # the only thread that can set handlers
    # Both are needed: new processes inherit the mask, but in this process another thread may receive the signal.
    handler = signal.signal(signal.SIGINT, lambda number, frame: received.append(number)) if in_main_thread else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
    if received:
        signal.raise_signal(signal.SIGINT)


def interruptible(work: Callable[[Item], Result], item: Item) -> Result:
    """Runs ``work(item)`` in a process started in `delay_interrupts`; Ctrl-C interrupts only this call."""
    if not hasattr(signal, "pthread_sigmask"):
        return work(item)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return work(item)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
