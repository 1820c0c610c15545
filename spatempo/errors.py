"""What goes wrong because of what was given, as opposed to what is wrong with spatempo."""

from __future__ import annotations


class SpatempoError(Exception):
    """What was given cannot be used.

    The message is one line that names the thing, says why, and how to mend it. The command line prints it without a
    traceback and exits with code 2.
    """


class OptionError(SpatempoError, ValueError):
    """An option of a design or an operator has a value that is not allowed; the message names it and what is."""


class VideoError(SpatempoError):
    """A video that cannot be read.

    Args:
        path: the file or folder, as the user named it.
        reason: one line, for example ``"no video stream"``.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str]]:
        # crosses process boundaries of data-loading workers with both arguments
        return type(self), (self.path, self.reason)
