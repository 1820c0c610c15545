"""How a process that computes treats its cores and its memory. Measured by benchmarks/process.py."""

from __future__ import annotations

import ctypes
import os
import sys

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
