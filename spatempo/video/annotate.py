"""A video with captions drawn on it, in one pass and in constant memory."""

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

Caption = tuple[float, float, str]  # from, until (seconds from the first frame), text of one line
_TOLERANCE = 0.001  # s; containers round times
_CONTAINERS = (".mp4", ".mkv", ".mov")  # that hold H.264
_QUANTISER = 23  # x264's: hard to tell from the original


def annotate(
    video: str | os.PathLike[str],
    captions: Sequence[Caption],
    out: str | os.PathLike[str],
    report: Callable[[float, float], None] | None = None,
    timeout: float = TIMEOUT,
) -> Path:
    """Writes `video` again with each caption in its lower left corner while it lasts; without sound.

    The file has the video's average frame rate; where that varies, frames are repeated or left out so that every
    moment stays at its time. An odd row or column at the edge is cut off (``yuv420p`` stores pairs).

    Args:
        video: what was captioned.
        captions: in order, not overlapping.
        out: the file to write, such as ``annotated.mp4``; it appears when it is complete.
        report: called with (seconds done, seconds in all) once a second of video.
        timeout: seconds that an address may take, see :func:`spatempo.video.source.open_video`.

    Raises:
        SpatempoError: `out` is the video itself, no name of a video, or cannot be written; images carry no times.
        VideoError: the video cannot be read.
    """
    check_target(out, video)
    with open_video(os.fspath(video), timeout=timeout) as source:
        if source.duration <= 0:
            raise SpatempoError(f"{source.path}: images in a folder carry no times; make a video of them first")

        def watched() -> Iterator[tuple[float, np.ndarray]]:
            said = 0.0
            for seconds, image in source.stream():
                yield seconds, image
                if report is not None and seconds >= said:
                    report(min(seconds, source.duration), source.duration)
                    said = seconds + 1

        timed = at_rate(watched(), source.fps)
        return write_video(out, drawn(timed, captions, source.fps), source.fps, qp=_QUANTISER, all_intra=False)


def check_target(out: str | os.PathLike[str], video: str | os.PathLike[str]) -> None:
    """Refuses an `out` that would replace the video itself, or that no container is known by."""
    if Path(out).resolve() == Path(video).resolve():
        raise SpatempoError(f"{out}: is the video itself; give the annotated one another name")
    if Path(out).suffix.lower() not in _CONTAINERS:
        raise SpatempoError(f"{out}: is no name of a video; end it in one of {', '.join(_CONTAINERS)}")


def at_rate(frames: Iterable[tuple[float, np.ndarray]], fps: float) -> Iterator[np.ndarray]:
    """Frames at a constant rate: the n-th is the one on the screen at ``n / fps``."""
    number, shown = 0, None
    for seconds, image in frames:
        while shown is not None and number / fps < seconds - _TOLERANCE:
            yield shown
            number += 1
        shown = image
    if shown is not None:
        yield shown


def drawn(frames: Iterable[np.ndarray], captions: Sequence[Caption], fps: float) -> Iterator[np.ndarray]:
    """Frames of even size, the caption of their time on them: uint8 ``[H, W, 3]`` to the same, copies."""
    coming = iter(captions)
    caption = next(coming, None)
    for number, frame in enumerate(frames):
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        frame = frame[:height, :width].copy()
        now = number / fps + _TOLERANCE
        while caption is not None and caption[1] <= now:
            caption = next(coming, None)
        if caption is not None and caption[0] <= now:
            text = _plate(caption[2], height, width)
            place = frame[height - text.shape[0] :, : text.shape[1]]
            place[:] = np.maximum(place // 4, text)  # light on the darkened picture, legible on any
        yield frame


@lru_cache(maxsize=4)
def _plate(text: str, height: int, width: int) -> np.ndarray:
    """The text, white on black, in a fifteenth of the frame's height or as small as fits: uint8 ``[h, w, 3]``."""
    font, right, bottom, pad = None, 0.0, 0.0, 0
    for size in range(max(10, min(height, width) // 15), 5, -1):
        font, pad = ImageFont.load_default(size=size), size // 2
        _, _, right, bottom = font.getbbox(text)
        if right + 2 * pad <= width:
            break
    plate = Image.new("RGB", (min(width, round(right) + 2 * pad), min(height, round(bottom) + 2 * pad)))
    ImageDraw.Draw(plate).text((pad, pad), text, "white", font)
    return np.asarray(plate)
