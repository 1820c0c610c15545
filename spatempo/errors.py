"""Exceptions for invalid input, as opposed to bugs of spatempo."""

from __future__ import annotations


class SpatempoError(Exception):
    """Invalid input, or a failure of the environment such as a full disk.

    The message is one line that repeats the input, states the problem and a fix. The command line prints it without a
    traceback and exits with code 2.
    """


class OptionError(SpatempoError, ValueError):
    """An option of a design or an operator has an invalid value. The message contains it and the allowed values."""


class VideoError(SpatempoError):
    """A video cannot be read.

    Args:
        path: file or folder, as given by the user.
        reason: one line, for example ``"no video stream"``.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str]]:
        # keeps both arguments when data-loading workers pickle the error
        return type(self), (self.path, self.reason)
