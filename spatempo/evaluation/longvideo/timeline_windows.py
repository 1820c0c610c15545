"""Sliding windows over a stream of frames, in one pass and in bounded memory.

A window is `seconds` long, and a new window begins every `stride` seconds from 0. The network sees T frames of each
window, chosen by the sampling rule of the model. The rule is applied to times instead of frame numbers: "the middle of
the i-th of T equal parts" is the frame that is on the screen at this time. At a constant frame rate, these are exactly
the frames that ``predict`` takes from the window saved as a file. At a varying frame rate, times remain correct.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess

SEGMENT_SECONDS = 2.0
_TOLERANCE = 0.001  # seconds; containers round times, Matroska to milliseconds


@dataclass(frozen=True)
class Windows:
    """Positions of windows and of the frames within a window.

    Attributes:
        seconds: length of a window.
        stride: seconds between the beginnings of two windows; at most `seconds`, so that there are no gaps.
        moments: float ``[T]``, times of the sampled frames in seconds from the beginning of the window, ascending.

    Raises:
        SpatempoError: the length is not valid, or there would be gaps between windows.
    """

    seconds: float
    stride: float
    moments: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise SpatempoError(f"window is {self.seconds} s; give a number of seconds above 0")
        if not 0 < self.stride <= self.seconds:
            raise SpatempoError(
                f"stride is {self.stride} s with windows of {self.seconds:g} s; give more than 0 and at most "
                f"{self.seconds:g}, so that there are no gaps between windows"
            )

    @classmethod
    def of(cls, preprocess: Preprocess, seconds: float, stride: float) -> Windows:
        """Windows for a model with this input specification."""
        steps = np.arange(preprocess.frames)
        if preprocess.sampling == "dense":
            spanned = _dense_frames(preprocess)
            moments = steps * (spanned // preprocess.frames) / spanned * seconds
        else:
            moments = (steps + 0.5) / preprocess.frames * seconds
        return cls(seconds, stride, moments)

    def cut(self, frames: Iterable[tuple[float, np.ndarray]]) -> Iterator[list[np.ndarray]]:
        """Iterate over the frames once; only frames of open windows stay in memory.

        A window is complete when the time of the current frame reaches its end. The last window is the first one that
        reaches the end of the video. Its part after the end shows the last frame.

        Args:
            frames: (seconds since the first frame, uint8 ``[H, W, 3]``), in order.

        Yields:
            The T frames of each window; window k begins at ``k * stride``. Windows share memory.
        """
        begun: deque[list[np.ndarray]] = deque()
        first = count = 0  # number of the oldest window in `begun`; number of frames seen
        now, shown = 0.0, None
        for seconds, image in frames:
            if shown is not None:
                self._take(begun, first, shown, until=seconds)
                while begun and first * self.stride + self.seconds <= seconds + _TOLERANCE:
                    yield begun.popleft()
                    first += 1
            now, shown, count = seconds, image, count + 1
        if shown is None:
            return
        frame = now / (count - 1) if count > 1 else self.seconds  # average duration of a frame
        end = now + frame
        self._take(begun, first, shown, until=end)
        while begun:
            images = begun.popleft()
            yield images + [shown] * (len(self.moments) - len(images))
            if first * self.stride + self.seconds >= end - frame / 2:
                return
            first += 1

    def _take(self, begun: deque[list[np.ndarray]], first: int, shown: np.ndarray, until: float) -> None:
        """Assign `shown`, the frame on the screen until `until`, to all earlier moments that have no frame yet."""
        until -= _TOLERANCE
        while (first + len(begun)) * self.stride < until:
            begun.append([])
        for number, images in enumerate(begun, first):
            due = int(np.searchsorted(self.moments, until - number * self.stride)) - len(images)
            images.extend([shown] * due)


def default_seconds(preprocess: Preprocess, fps: float, trained: float | None = None) -> tuple[float, str]:
    """Default length of a window in seconds, and its source.

    Dense sampling: the duration of the model's window (64 frames, as published) at the frame rate of this video,
    ``"frames"``. Segment sampling spreads the frames over a complete training video, so a window is as long as the
    training videos, ``"training"``. If their length is unknown (old checkpoints, or training on folders of images),
    2 s are a ``"guess"``.

    Args:
        fps: frame rate of this video.
        trained: length of the training videos in seconds, the model's ``clip_seconds``.
    """
    if preprocess.sampling == "dense":
        return _dense_frames(preprocess) / fps, "frames"
    return (SEGMENT_SECONDS, "guess") if trained is None else (trained, "training")


def _dense_frames(preprocess: Preprocess) -> int:
    return preprocess.window or preprocess.frames  # None: consecutive frames
