"""Draws captions on a video, in one pass and in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from spatempo.errors import SpatempoError
from spatempo.video.source import TIMEOUT, open_video
from spatempo.video.writer import write_video

Caption = tuple[float, float, str]  # start, end (seconds from the first frame), text of one line
_TOLERANCE = 0.001  # seconds; containers round times
_CONTAINERS = (".mp4", ".mkv", ".mov")  # containers for H.264
_QUANTISER = 23  # of x264; visually close to the original


def annotate(
    video: str | os.PathLike[str],
    captions: Sequence[Caption],
    out: str | os.PathLike[str],
    report: Callable[[float, float], None] | None = None,
    timeout: float = TIMEOUT,
) -> Path:
    """Writes a copy of `video` with captions in its lower left corner, without sound.

    The copy has a constant frame rate, the average of the video. If the rate of the video varies, frames are repeated
    or dropped so that times stay the same. An odd last row or column is cut off (``yuv420p`` stores pairs of pixels).

    Args:
        video: the input video.
        captions: captions in temporal order, not overlapping.
        out: the file to write, such as ``annotated.mp4``. It appears when it is complete.
        report: called with (seconds done, total seconds), once per second of video.
        timeout: limit in seconds for an address, see :func:`spatempo.video.source.open_video`.

    Returns:
        The path written.

    Raises:
        SpatempoError: `out` is the video itself, has no suffix of a video, or cannot be written; or `video` is a folder
            of images, which have no times.
        VideoError: the video cannot be read.
    """
    check_target(out, video)
    with open_video(os.fspath(video), timeout=timeout) as source:
        if source.duration <= 0:
            raise SpatempoError(f"{source.path}: images in a folder have no times; make a video of them first")

        def reported() -> Iterator[tuple[float, np.ndarray]]:
            next_report = 0.0
            for seconds, image in source.stream():
                yield seconds, image
                if report is not None and seconds >= next_report:
                    report(min(seconds, source.duration), source.duration)
                    next_report = seconds + 1

        timed = resample(reported(), source.fps)
        return write_video(out, draw_captions(timed, captions, source.fps), source.fps, qp=_QUANTISER, all_intra=False)


def check_target(out: str | os.PathLike[str], video: str | os.PathLike[str]) -> None:
    """Raises SpatempoError if `out` would overwrite the video itself, or has no suffix of a known container."""
    if Path(out).resolve() == Path(video).resolve():
        raise SpatempoError(f"{out}: is the video itself; choose another name for the annotated copy")
    if Path(out).suffix.lower() not in _CONTAINERS:
        raise SpatempoError(f"{out}: is not the name of a video; end it in one of {', '.join(_CONTAINERS)}")


def resample(frames: Iterable[tuple[float, np.ndarray]], fps: float) -> Iterator[np.ndarray]:
    """Resamples frames to a constant rate: output frame n is the frame displayed at ``n / fps``."""
    number, shown = 0, None
    for seconds, image in frames:
        while shown is not None and number / fps < seconds - _TOLERANCE:
            yield shown
            number += 1
        shown = image
    if shown is not None:
        yield shown


def draw_captions(frames: Iterable[np.ndarray], captions: Sequence[Caption], fps: float) -> Iterator[np.ndarray]:
    """Draws captions on copies of frames, uint8 ``[H, W, 3]``, cropped to an even size."""
    remaining = iter(captions)
    caption = next(remaining, None)
    for number, frame in enumerate(frames):
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        frame = frame[:height, :width].copy()
        now = number / fps + _TOLERANCE
        while caption is not None and caption[1] <= now:
            caption = next(remaining, None)
        if caption is not None and caption[0] <= now:
            text = _render_text(caption[2], height, width)
            corner = frame[height - text.shape[0] :, : text.shape[1]]
            corner[:] = np.maximum(corner // 4, text)  # white on the darkened frame, legible on any background
        yield frame


@lru_cache(maxsize=4)
def _render_text(text: str, height: int, width: int) -> np.ndarray:
    """The text, white on black, uint8 ``[h, w, 3]``: 1/15 of the frame height, or smaller so that it fits."""
    font, right, bottom, pad = None, 0.0, 0.0, 0
    for size in range(max(10, min(height, width) // 15), 5, -1):
        font, pad = ImageFont.load_default(size=size), size // 2
        _, _, right, bottom = font.getbbox(text)
        if right + 2 * pad <= width:
            break
    plate = Image.new("RGB", (min(width, round(right) + 2 * pad), min(height, round(bottom) + 2 * pad)))
    ImageDraw.Draw(plate).text((pad, pad), text, "white", font)
    return np.asarray(plate)
