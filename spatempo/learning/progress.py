"""Progress output of a run on stderr: a progress bar on a terminal, and one line per epoch."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from spatempo.terminal import safe_line


class RunProgress:
    """Shows clips per second, the time left for the whole run, and a line per epoch.

    Args:
        batches: number of batches in the whole run.
        per_epoch: batches per epoch.
        clips: clips per batch, over all devices.
        start: batches already done.
        quiet: no bar and no lines; :meth:`warn` still prints.
    """

    def __init__(self, batches: int, per_epoch: int, clips: int, *, start: int = 0, quiet: bool = False) -> None:
        self.batches, self.per_epoch, self.clips, self.start = batches, per_epoch, clips, start
        self.done = start
        self._warm = False
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._begun = time.monotonic()
        self._paused = 0.0  # seconds without training (validation, saving)
        self._shown = 0.0
        self._bar = Progress(
            TextColumn("{task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}"),
            console=self.console,
            transient=True,
            expand=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> RunProgress:
        self._bar.start()
        self._task = self._bar.add_task("", total=self.per_epoch, epoch=self._epoch(), facts="starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def batch(self, done: int) -> bool:
        """Counts batches. Returns True about twice a second on a terminal, when the bar needs the loss."""
        if not self._warm:  # the first batch includes the start of the workers, so the rate is measured after it
            self._begun, self._paused, self._warm = time.monotonic(), 0.0, True
            self.start = done
        self.done = done
        if self._bar.disable or time.monotonic() - self._shown < 0.5:
            return False
        self._shown = time.monotonic()
        return True

    def show(self, loss: float) -> None:
        """Updates the bar."""
        if self._task is not None:
            facts = f"loss {loss:.3f}  {self.rate():.1f} clips/s  {clock(self.seconds_left())} left"
            position = self.done % self.per_epoch or self.per_epoch
            self._bar.update(self._task, completed=position, epoch=self._epoch(), facts=facts)

    def show_pause(self, activity: str, done: int = 0, total: int | None = None) -> None:
        """Shows an activity between two epochs, such as validation."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total or self.per_epoch, facts=activity)

    def add_pause(self, seconds: float) -> None:
        """Adds time without training. It counts for the time left but not for clips/s."""
        self._paused += seconds
        if self._task is not None:
            self._bar.update(self._task, total=self.per_epoch)

    def rate(self) -> float:
        """Clips per second of training in this process."""
        spent = time.monotonic() - self._begun - self._paused
        return (self.done - self.start) * self.clips / spent if spent > 0 else 0.0

    def seconds_left(self) -> float:
        """Estimated seconds left for the whole run, including validation, from the average of this process."""
        done = self.done - self.start
        return (time.monotonic() - self._begun) / done * (self.batches - self.done) if done else 0.0

    def say(self, line: str) -> None:
        """Prints a line, unless quiet."""
        if not self.quiet:
            self.console.print(safe_line(line), markup=False, emoji=False)

    def warn(self, line: str) -> None:
        """Prints a line, even if quiet."""
        self.console.print(safe_line(line), markup=False, emoji=False)

    def _epoch(self) -> str:
        epoch = max(0, self.done - 1) // self.per_epoch + 1
        return f"epoch {epoch}/{self.batches // self.per_epoch}"


def clock(seconds: float) -> str:
    """Formats a duration as ``"4:31"`` or ``"1:04:31"``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
