"""Clips that could not be read: each named once, counted, and too many of them end the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spatempo.errors import SpatempoError


class Unreadable:
    """Keeps count over epochs, data sets and restarts. Nothing ever stands in for a clip that is bad.

    Args:
        clips: number of clips of each data set, ``{"training": 259, "validation": 30}``.
        max_unreadable: share of a data set that may be unreadable; 0: none may.
        say: is told each one, once.
    """

    def __init__(self, clips: dict[str, int], max_unreadable: float, say: Callable[[str], None]) -> None:
        self.clips, self.max_unreadable, self.say = clips, max_unreadable, say
        self.errors: dict[str, list[str]] = {name: [] for name in clips}

    def add(self, name: str, errors: Sequence[str]) -> None:
        """Counts errors (``"path: reason"``) of a data set.

        Raises:
            SpatempoError: more than ``max_unreadable`` of it cannot be read.
        """
        bad = self.errors[name]
        new = [error for error in dict.fromkeys(errors) if error not in bad]
        bad += new
        too_many = len(bad) > self.max_unreadable * self.clips[name]
        for error in new[:-1] if too_many else new:  # the last one is named by the error below
            self.say(f"unreadable {name} clip, left out: {error}")
        if too_many:
            allowed = f"only {self.max_unreadable:.1%} may be bad" if self.max_unreadable else "none may be bad"
            raise SpatempoError(
                f"{bad[-1]}: {len(bad)} of {self.clips[name]} {name} clips could not be read so far, and {allowed} "
                "(`max_unreadable`); fix them or leave them out: `spatempo data scan` names every one"
            )

    def state_dict(self) -> dict[str, list[str]]:
        return {name: list(bad) for name, bad in self.errors.items()}

    def load_state_dict(self, state: dict[str, list[str]]) -> None:
        for name, bad in state.items():
            self.errors[name] = list(bad)
