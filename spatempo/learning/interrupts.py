"""Handling of Ctrl-C and termination between optimiser steps instead of within a step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Context that stores the first SIGINT or SIGTERM in :attr:`received`; a second SIGINT interrupts immediately.

    Has no effect outside the main thread, because Python handles signals only in the main thread.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


def delay_signals(worker: int) -> None:
    """Makes a loading worker ignore SIGINT and delay SIGTERM for a minute (used as ``worker_init_fn``).

    Ctrl-C is sent to all processes of a terminal, and a cluster or ``timeout`` sends SIGTERM to all processes of a job.
    If a worker ended immediately, the run would fail before its state is saved. Within a minute, the main process has
    saved the state and ended its workers, or has ended itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(60) and None)
