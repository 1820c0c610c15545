"""Unreadable clips: each is reported once and counted, and too many of them end the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spatempo.errors import SpatempoError


class Unreadable:
    """Counts unreadable clips over epochs, data sets and restarts. An unreadable clip is never replaced by another.

    Args:
        clips: number of clips per data set, ``{"training": 259, "validation": 30}``.
        max_unreadable: largest fraction of unreadable clips per data set; 0: none allowed.
        say: called once for each unreadable clip.
    """

    def __init__(self, clips: dict[str, int], max_unreadable: float, say: Callable[[str], None]) -> None:
        self.clips, self.max_unreadable, self.say = clips, max_unreadable, say
        self.errors: dict[str, list[str]] = {name: [] for name in clips}

    def add(self, name: str, errors: Sequence[str]) -> None:
        """Adds errors (``"path: reason"``) of a data set.

        Raises:
            SpatempoError: the fraction of unreadable clips is larger than ``max_unreadable``.
        """
        bad = self.errors[name]
        new = [error for error in dict.fromkeys(errors) if error not in bad]
        bad += new
        too_many = len(bad) > self.max_unreadable * self.clips[name]
        for error in new[:-1] if too_many else new:  # the error below contains the last one
            self.say(f"skipped unreadable {name} clip: {error}")
        if too_many:
            allowed = f"at most {self.max_unreadable:.1%} is allowed" if self.max_unreadable else "none is allowed"
            raise SpatempoError(
                f"{bad[-1]}: {len(bad)} of {self.clips[name]} {name} clips could not be read so far, but {allowed} "
                "(`max_unreadable`); fix or remove them: `spatempo data scan` lists all of them"
            )

    def state_dict(self) -> dict[str, list[str]]:
        return {name: list(bad) for name, bad in self.errors.items()}

    def load_state_dict(self, state: dict[str, list[str]]) -> None:
        for name, bad in state.items():
            self.errors[name] = list(bad)
