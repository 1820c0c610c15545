"""The same work on many clips in several processes, surviving a decoder that crashes on one of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from spatempo.errors import SpatempoError

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
    left = list(range(len(items)))
    while left:
        _run_some(work, items, left, workers, finished, report)
        left = [i for i in left if i not in finished]
        # A process died. Whose fault it was shows when the items it can have been, the earliest unfinished ones, run
        # alone; the rest go on together.
        for i in left[: 2 * workers + 1]:
            _run_some(work, items, [i], 1, finished, report)
            if finished.setdefault(i, CRASHED) is CRASHED:
                report(len(finished), len(items))
        left = [i for i in left if i not in finished]
    return [finished[i] for i in range(len(items))]


def _run_some(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    which: Sequence[int],
    workers: int,
    finished: dict[int, Result],
    report: Callable[[int, int], None],
) -> None:
    """Runs the items numbered `which`; returns early, with what is finished, when a process dies."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(which)), mp_context=context) as pool:
        try:
            pool.submit(int).result()
        except (BrokenProcessPool, OSError) as error:
            raise SpatempoError(
                f"worker processes cannot be started ({error}); use workers=0, or, in a script of your own, put the "
                'call under if __name__ == "__main__":'
            ) from None
        futures = {pool.submit(work, items[i]): i for i in which}
        try:
            for future in as_completed(futures):
                finished[futures[future]] = future.result()
                report(len(finished), len(items))
        except BrokenProcessPool:
            return
        finally:
            pool.shutdown(cancel_futures=True)  # after an error the items in the queue need not run
