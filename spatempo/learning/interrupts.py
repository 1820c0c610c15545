"""Ctrl-C and termination, taken between two optimiser steps instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Within it the first SIGINT or SIGTERM is only noted in :attr:`received`; a second SIGINT interrupts at once.

    Outside the main thread, where Python lets nobody handle signals, it notes nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


def outlive_interrupts(worker: int) -> None:
    """For loading workers (their ``worker_init_fn``): a signal to the whole process group is not for them to act on.

    Ctrl-C goes to every process of a terminal; SIGTERM, sent by a cluster or by ``timeout``, to every process of a job.
    A worker that died of it would take the run with it before its state is saved. So a worker ignores the one, and
    takes a minute over the other; by then the main process has saved and ended its workers, or is itself gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(60) and None)
