"""How a process that computes treats its cores, its memory (measured by benchmarks/process.py) and Ctrl-C."""

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
_NEVER = 2**31 - 1  # bytes at the top of the heap from which on glibc gives them back


def set_up() -> None:
    """What a program does first of all, before torch is loaded: short waits and kept memory."""
    wait_shortly()
    keep_memory()


def wait_shortly() -> None:
    """Lets torch's CPU threads sleep soon where they wait for each other, unless the environment says otherwise.

    By default they spin long, which is fine on cores of their own. As soon as anything else runs there, a process that
    reads clips for instance, each waits by burning the time that the other needs. It counts only before torch is
    loaded. 1,000 turns lose nothing beside a busy process, and less than sleeping at once where there is none.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def keep_memory() -> None:
    """Keeps the memory of freed tensors for the next ones, where the C library is glibc; elsewhere it does nothing.

    A step of training makes and frees the same large tensors as the step before. glibc gives each of them back to the
    system and asks for it again, and the system blanks every page anew: that was half the time of a step. The process
    then holds on to the most memory that it needed at any time.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes started within it hold back Ctrl-C, which the terminal sends to them as well; so does this one.

    A process that is still loading its modules would end with a traceback. Here the signal arrives at the end of the
    block, there in :func:`interruptible`. Does nothing where signals cannot be held back (Windows).
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # takes as long to import as the command's help does to answer

    resource_tracker.ensure_running()  # multiprocessing's own helper; starting it later would end the holding back
    noted: list[int] = []
    alone = threading.current_thread() is threading.main_thread()  # only there Python sets handlers
    # Both: the mask is what new processes inherit, and here another thread may take the signal all the same.
    handler = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number)) if alone else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if alone:
            signal.signal(signal.SIGINT, handler)
    if noted:
        signal.raise_signal(signal.SIGINT)


def interruptible(work: Callable[[Item], Result], item: Item) -> Result:
    """``work(item)`` in a process started so: Ctrl-C ends the item it works on, which cleans up, and nothing else."""
    if not hasattr(signal, "pthread_sigmask"):
        return work(item)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return work(item)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
