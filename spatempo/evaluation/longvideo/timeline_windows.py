"""Windows over a stream of frames: which moments the network is shown, cut out in one pass and in bounded memory.

A window is what would be a clip of its own: `seconds` long, one beginning every `stride` seconds from 0 on. Of it the
network sees T frames by the model's own sampling rule, put in time instead of in frame numbers: "the middle of the
i-th of T equal parts" is the frame that is on the screen at that moment. At a constant frame rate that is, frame for
frame, what ``predict`` takes from the window cut out as a file; where the rate varies, time stays time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess

SEGMENT_SECONDS = 2.0
_TOLERANCE = 0.001  # s; containers round times, Matroska to the millisecond


@dataclass(frozen=True)
class Windows:
    """Where windows lie.

    Attributes:
        seconds: length of one.
        stride: seconds from the beginning of one to that of the next; at most `seconds`, so that nothing is left out.
        moments: float ``[T]``, when frames are taken, in seconds from the window's beginning; rising.

    Raises:
        SpatempoError: no window can be that long, or moments would be left out.
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
                f"{self.seconds:g}, or moments would be left out"
            )

    @classmethod
    def of(cls, preprocess: Preprocess, seconds: float, stride: float) -> Windows:
        """Windows as a model with this preprocessing wants them."""
        steps = np.arange(preprocess.frames)
        if preprocess.sampling == "dense":
            spanned = _dense_frames(preprocess)
            moments = steps * (spanned // preprocess.frames) / spanned * seconds
        else:
            moments = (steps + 0.5) / preprocess.frames * seconds
        return cls(seconds, stride, moments)

    def cut(self, frames: Iterable[tuple[float, np.ndarray]]) -> Iterator[list[np.ndarray]]:
        """Goes through the frames once; keeps only those that windows begun and not finished have taken.

        A window is finished when the frames have come to its end. The last one is the first to reach the end of the
        video, and sees the last frame for as long as it reaches beyond.

        Args:
            frames: (seconds since the first, uint8 ``[H, W, 3]``), in order.

        Yields:
            T frames of each window, the k-th window beginning at ``k * stride``. Windows share memory.
        """
        begun: deque[list[np.ndarray]] = deque()
        first = count = 0  # number of the oldest of `begun`; frames seen
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
        frame = now / (count - 1) if count > 1 else self.seconds  # for how long one is shown, on average
        end = now + frame
        self._take(begun, first, shown, until=end)
        while begun:
            images = begun.popleft()
            yield images + [shown] * (len(self.moments) - len(images))
            if first * self.stride + self.seconds >= end - frame / 2:
                return
            first += 1

    def _take(self, begun: deque[list[np.ndarray]], first: int, shown: np.ndarray, until: float) -> None:
        """Gives `shown`, which is on the screen until then, to every moment that is before then and not served yet."""
        until -= _TOLERANCE
        while (first + len(begun)) * self.stride < until:
            begun.append([])
        for number, images in enumerate(begun, first):
            due = int(np.searchsorted(self.moments, until - number * self.stride)) - len(images)
            images.extend([shown] * due)


def default_seconds(preprocess: Preprocess, fps: float, trained: float | None = None) -> tuple[float, str]:
    """What a training clip of the model spans, as far as is known, and where that is from.

    Dense sampling: so many frames (64, as published), at the frame rate of the video in hand: ``"frames"``. Segment
    sampling spreads its frames over a whole training video: as long as these were, ``"training"``. Where that is not
    known (a checkpoint of before it was kept, or trained on folders of images), 2 s are no more than a ``"guess"``.

    Args:
        fps: of the video in hand.
        trained: seconds, the model's ``clip_seconds``.
    """
    if preprocess.sampling == "dense":
        return _dense_frames(preprocess) / fps, "frames"
    return (SEGMENT_SECONDS, "guess") if trained is None else (trained, "training")


def _dense_frames(preprocess: Preprocess) -> int:
    return preprocess.window or preprocess.frames  # None: consecutive frames
