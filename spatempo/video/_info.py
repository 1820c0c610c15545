"""Cache of the properties of video files, per process, so that later epochs do not analyse a file again."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import av
from av.video.stream import VideoStream

from spatempo.video._address import is_address
from spatempo.video.packet_index import PacketIndex

# PyAV >= 17 scales with one thread per core by default, which is four times slower on frames of this size
ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}

_LIMIT = 64 << 20  # bytes of cached packet indices; about 6,000 clips of ten seconds
_known: OrderedDict[tuple[str, int, int], VideoInfo] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class VideoInfo:
    """Properties of one video file. Sizes in pixels: `coded_*` before rotation, `size` (height, width) after it."""

    frames: int
    coded_height: int
    coded_width: int
    rotation: int  # degrees, counter-clockwise
    fps: float
    duration: float
    codec: str
    index: PacketIndex | None
    no_index_reason: str | None  # reason why there is no index

    @property
    def size(self) -> tuple[int, int]:
        turned = round(self.rotation / 90) % 2 == 1
        return (self.coded_width, self.coded_height) if turned else (self.coded_height, self.coded_width)

    @classmethod
    def of(
        cls,
        stream: VideoStream,
        first: av.VideoFrame,
        times: list[int | None],
        index: PacketIndex | None,
        no_index_reason: str | None,
    ) -> Self:
        """Create from the first decoded frame and the times of all frames in display order."""
        fps, duration = _pace(times, stream.time_base, stream.average_rate or stream.guessed_rate)
        name = stream.codec_context.codec.canonical_name
        return cls(len(times), first.height, first.width, first.rotation, fps, duration, name, index, no_index_reason)


def _pace(times: list[int | None], base: Fraction | None, rate: Fraction | None) -> tuple[float, float]:
    """(frames per second, seconds) from the frame times, or from the header if times are missing or agree with it."""
    stated = float(rate) if rate else 0.0
    known = [time for time in times if time is not None]
    span = float((max(known) - min(known)) * base) if base and len(known) == len(times) else 0.0
    if span <= 0:
        return stated, len(times) / stated if stated else 0.0
    measured = (len(times) - 1) / span
    # times are rounded (to milliseconds in mkv), the header's rate is exact: use it if both agree
    fps = stated if abs(stated - measured) < 0.01 * measured else measured
    return fps, len(times) / fps


def _key(path: str) -> tuple[str, int, int] | None:
    """Cache key of a file in its current version. Addresses have none, because their content may change unnoticed."""
    if is_address(path):
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


def recall(path: str) -> VideoInfo | None:
    """Cached properties of the file, unless it has changed since."""
    key = _key(path)
    with _lock:
        if key is None or key not in _known:
            return None
        _known.move_to_end(key)
        return _known[key]


def remember(path: str, info: VideoInfo) -> None:
    """Cache `info`; the least recently used files are removed."""
    key = _key(path)
    if key is None:
        return
    with _lock:
        _known[key] = info
        _known.move_to_end(key)
        size = sum(_cost(each) for each in _known.values())
        while size > _LIMIT and len(_known) > 1:
            size -= _cost(_known.popitem(last=False)[1])


def _cost(info: VideoInfo) -> int:
    return 1000 + (info.index.nbytes if info.index else 0)
