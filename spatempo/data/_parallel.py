"""Runs one function on many clips in several processes, and continues if a decoder crashes on one of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from spatempo.errors import SpatempoError
from spatempo.process import delay_interrupts, interruptible

Item = TypeVar("Item")
Result = TypeVar("Result")
CRASHED: Any = None  # result of an item for which the process crashed


def cores() -> int:
    """Returns the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Computes ``[work(item) for item in items]`` in `workers` processes.

    Args:
        work: a top-level function that imports little (processes are spawned on every system).
        workers: number of processes; 0 or 1: this process.
        progress: called as ``progress(done, total)`` after every item.

    Returns:
        One result per item, in order; :data:`CRASHED` if the process crashed on it.

    Raises:
        SpatempoError: processes cannot be started.
    """
    report = progress or (lambda done, total: None)
    if workers <= 1 or len(items) < 2:
        results: list[Result] = []
        for item in items:
            results.append(work(item))
            report(len(results), len(items))
        return results
    finished: dict[int, Result] = {}

    def finish(i: int, result: Result) -> None:
        finished[i] = result
        report(len(finished), len(items))

    remaining = list(range(len(items)))
    while remaining:
        _run_together(work, items, remaining, workers, finish)
        remaining = [i for i in remaining if i not in finished]
        # If a process crashed, one of the earliest unfinished items caused it. To find out which, these items run one
        # after another; the others then run together again.
        _run_singly(work, items, remaining[: 2 * workers + 1], finish)
        remaining = [i for i in remaining if i not in finished]
    return [finished[i] for i in range(len(items))]


def _run_together(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    which: Sequence[int],
    workers: int,
    finish: Callable[[int, Result], None],
) -> None:
    """Runs the items numbered `which`; returns early, with some of them unfinished, if a process crashes."""
    with _pool(min(workers, len(which))) as pool:
        with delay_interrupts():  # submitting starts the processes
            futures = {pool.submit(interruptible, work, items[i]): i for i in which}
        try:
            for future in as_completed(futures):
                finish(futures[future], future.result())
        except BrokenProcessPool:
            return
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, queued items do not run


def _run_singly(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    which: Sequence[int],
    finish: Callable[[int, Result], None],
) -> None:
    """Runs the items numbered `which` one at a time in one process, and in a new process after each crash."""
    queue = list(which)
    while queue:
        with _pool(1) as pool:
            while queue:
                i = queue.pop(0)
                try:
                    finish(i, pool.submit(interruptible, work, items[i]).result())
                except BrokenProcessPool:
                    finish(i, CRASHED)
                    break


def _pool(workers: int) -> ProcessPoolExecutor:
    """Starts a pool of spawned processes, and checks that they start."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        with delay_interrupts():  # submitting starts the process
            started = pool.submit(int)
        started.result()
    except (BrokenProcessPool, OSError) as error:
        pool.shutdown()
        raise SpatempoError(
            f"worker processes cannot be started ({error}); use `workers=0` or, in your own script, put the call "
            'under if __name__ == "__main__":'
        ) from None
    return pool
