"""Reads video files with PyAV, which includes its own FFmpeg: exact frames with as little decoding as possible.

How `read` saves work, from the largest saving to the smallest:

1. It decodes only from the nearest key frame to the requested frame, and seeks past the rest (`packet_index.py`).
2. Packets that no other frame needs (H.264's non-reference pictures, mostly B-frames) are decoded only if requested.
3. Frames that are decoded only because others need them are dropped before conversion.
4. Conversion to RGB and scaling are one pass of swscale, one thread, bilinear. When it makes a frame smaller,
   swscale widens the bilinear filter, so the result is antialiased: within 1.2 grey levels, on average, of
   torchvision's antialiased bilinear `resize` of the full-size frame (swscale's AREA: 3 grey levels). Rotation comes
   last.

The reader checks while decoding that the frames are those of a full decode: every packet must give one frame. If one
does not, or if the packets of a file are not reliable, the reader decodes from the start and counts frames.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from spatempo.errors import VideoError
from spatempo.video import _info
from spatempo.video._address import TIMEOUT
from spatempo.video._decoder import Decoder, IndexMismatch, Receive
from spatempo.video._frames import Closing, check_indices, rotate, scaled_size
from spatempo.video._info import VideoInfo
from spatempo.video.packet_index import index_packets


class PyAVReader(Closing):
    """One video file, with the interface `spatempo.video.source.VideoSource`.

    Args:
        path: a file, or an address that FFmpeg can open and seek in.
        threads: number of decoding threads; use 1 in data-loading workers, 0 lets FFmpeg choose.
        timeout: limit in seconds, see `spatempo.video.source.open_video`.

    Raises:
        VideoError: the video cannot be opened, times out, has no video stream, or none of its frames can be decoded.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1, timeout: float = TIMEOUT) -> None:
        self.path = os.fspath(path)
        self.threads = threads
        self.timeout = timeout
        self._start()
        self._known()

    # -- properties ---------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        return self._known().frames

    @property
    def height(self) -> int:
        return self._known().size[0]

    @property
    def width(self) -> int:
        return self._known().size[1]

    @property
    def fps(self) -> float:
        return self._known().fps

    @property
    def duration(self) -> float:
        return self._known().duration

    @property
    def codec(self) -> str:
        return self._known().codec

    @property
    def decodes_all(self) -> str | None:
        """Reason why every read decodes this file from its start; None if the reader seeks."""
        return self._known().no_index_reason

    def _known(self) -> VideoInfo:
        """Properties of the file, determined on first use: from the cache, the packets, or a full decode."""
        if self._info is None:
            self._info = _info.recall(self.path)
        if self._info is None:
            self._info = self._analyse()
            _info.remember(self.path, self._info)
        return self._info

    def _analyse(self) -> VideoInfo:
        _, stream = self._decoder.open()
        index = index_packets(self._decoder.packets(), stream)
        if isinstance(index, str):
            return self._analyse_by_decoding(index)
        first: list[av.VideoFrame] = []
        try:
            self._decoder.by_index(index, np.zeros(1, np.int64), lambda _, frame: first.append(frame))
        except IndexMismatch as mismatch:
            return self._analyse_by_decoding(str(mismatch))
        if first[0].interlaced_frame:  # one frame may be two packets, one per field
            return self._analyse_by_decoding("interlaced")
        # not `stream`: the file may have been opened again, which frees the old stream
        return VideoInfo.of(self._decoder.video_stream, first[0], index.pts[index.packet].tolist(), index, None)

    def _analyse_by_decoding(self, no_index_reason: str) -> VideoInfo:
        """Decode and count all frames, without conversion."""
        first, times = None, []
        for frame in self._decoder.all_frames():
            first = frame if first is None else first
            times.append(frame.pts)
        if first is None:
            raise VideoError(self.path, "no frame can be decoded; replace the file or leave it out")
        return VideoInfo.of(self._decoder.video_stream, first, times, None, no_index_reason)

    # -- reading ------------------------------------------------------------------------------------------------------

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """uint8 [len(indices), H, W, 3]; see `VideoSource.read`."""
        info = self._known()
        wanted = check_indices(self.path, indices, info.frames)
        height, width = scaled_size(*info.size, short_side)
        out = np.empty((len(wanted), height, width, 3), dtype=np.uint8)
        numbers, slots = np.unique(wanted, return_inverse=True)
        if len(numbers) == 0:
            return out

        def writer(positions: dict[int, int]) -> Receive:
            # writes a decoded frame directly to every position of `out` that requested it
            def receive(key: int, frame: av.VideoFrame) -> None:
                out[slots == positions[key]] = self._to_rgb(frame, info, short_side)

            return receive

        if info.index is not None:
            times = info.index.pts[info.index.packet[numbers]].tolist()
            try:
                self._decoder.by_index(info.index, numbers, writer({time: i for i, time in enumerate(times)}))
                return out
            except IndexMismatch as mismatch:
                self._info = self._analyse_by_decoding(str(mismatch))
                _info.remember(self.path, self._info)
                if wanted.max() >= self._info.frames:
                    reason = f"damaged: {self._info.frames} of {info.frames} frames decode; replace it or leave it out"
                    raise VideoError(self.path, reason) from mismatch
                return self.read(indices, short_side)
        self._decoder.by_counting(numbers, writer({number: i for i, number in enumerate(numbers.tolist())}))
        return out

    def stream(self, short_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds since the first frame, uint8 [H, W, 3]) in order; see `FrameStream.stream`."""
        info = self._known()
        decoder = Decoder(
            self.path, self.threads, self.timeout
        )  # a second decoder, so that `read` can be called in between
        start: int | None = None
        try:
            for number, frame in enumerate(decoder.all_frames()):
                start = frame.pts if start is None else start
                if start is None or frame.pts is None:  # a file without times
                    seconds = number / info.fps
                else:
                    seconds = float((frame.pts - start) * (decoder.video_stream.time_base or 0))
                yield seconds, np.ascontiguousarray(self._to_rgb(frame, info, short_side))
        finally:
            decoder.close()

    def _to_rgb(self, frame: av.VideoFrame, info: VideoInfo, short_side: int | None) -> np.ndarray:
        """[H, W, 3]; if the size changes within a video, frames are scaled to the size of the first."""
        height, width = scaled_size(info.coded_height, info.coded_width, short_side)
        try:
            rgb = self._reformatter.reformat(
                frame, width=width, height=height, format="rgb24", interpolation="BILINEAR", **_info.ONE_THREAD
            )
        except FFmpegError as error:
            raise VideoError(
                self.path,
                f"{frame.format.name} cannot be converted to RGB ({error.strerror}); convert the video or leave it out",
            ) from error
        return rotate(rgb.to_ndarray(), info.rotation)

    def close(self) -> None:
        """Close the file. The next read opens it again."""
        self._decoder.close()

    def _start(self) -> None:
        self._info: VideoInfo | None = None
        self._decoder = Decoder(self.path, self.threads, self.timeout)
        self._reformatter = VideoReformatter()  # reused: setting up the scaler takes longer than using it

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "threads": self.threads, "timeout": self.timeout}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.threads, self.timeout = state["path"], state["threads"], state["timeout"]
        self._start()
