"""The same work on many clips in several processes, surviving a decoder that crashes on one of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from spatempo.errors import SpatempoError
from spatempo.process import interruptible, interrupts_held

Item = TypeVar("Item")
Result = TypeVar("Result")
CRASHED: Any = None  # in place of the result of an item on which the process died


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """``[work(item) for item in items]``, in `workers` processes.

    Args:
        work: a top-level function that imports little (processes are spawned, on every system alike).
        workers: 0 or 1: in this process.
        progress: called as ``progress(done, total)`` after every item.

    Returns:
        One result an item, in order; :data:`CRASHED` where the process died of it.

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

    left = list(range(len(items)))
    while left:
        _run_together(work, items, left, workers, finish)
        left = [i for i in left if i not in finished]
        # If a process died: whose fault it was shows when the items it can have been, the earliest unfinished ones,
        # run one after another; the rest go on together.
        _run_singly(work, items, left[: 2 * workers + 1], finish)
        left = [i for i in left if i not in finished]
    return [finished[i] for i in range(len(items))]


def _run_together(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    which: Sequence[int],
    workers: int,
    finish: Callable[[int, Result], None],
) -> None:
    """Runs the items numbered `which`; returns early, with some not finished, when a process dies."""
    with _pool(min(workers, len(which))) as pool:
        with interrupts_held():  # submitting starts the processes
            futures = {pool.submit(interruptible, work, items[i]): i for i in which}
        try:
            for future in as_completed(futures):
                finish(futures[future], future.result())
        except BrokenProcessPool:
            return
        finally:
            pool.shutdown(cancel_futures=True)  # after an error the items in the queue need not run


def _run_singly(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    which: Sequence[int],
    finish: Callable[[int, Result], None],
) -> None:
    """Runs the items numbered `which` in one process, one at a time; a new process after each that dies."""
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
    """Spawned processes that are known to start."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        with interrupts_held():  # submitting starts the process
            started = pool.submit(int)
        started.result()
    except (BrokenProcessPool, OSError) as error:
        pool.shutdown()
        raise SpatempoError(
            f"worker processes cannot be started ({error}); use `workers=0`, or, in a script of your own, put the call "
            'under if __name__ == "__main__":'
        ) from None
    return pool
