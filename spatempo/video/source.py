"""The one interface to recorded video: ask for frame numbers, get exactly those frames.

Two things are kept apart, because a camera has only the second: *random access* over a recording whose length is known
(`VideoSource`), and *frames in order* from anything that produces them (`FrameStream`). Every recording is both; a
camera or a network stream will be a `FrameStream` only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np

from spatempo.errors import SpatempoError, VideoError
from spatempo.limits import check_number
from spatempo.video._address import TIMEOUT, is_address


@runtime_checkable
class FrameStream(Protocol):
    """Frames in the order in which they are shown. Nothing is known in advance, not even whether it ends."""

    path: str

    def stream(self, short_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds since the first frame, uint8 [H, W, 3] RGB), one frame at a time, in constant memory."""
        ...

    def close(self) -> None:
        """Let go of the file or device."""
        ...


@runtime_checkable
class VideoSource(FrameStream, Protocol):
    """A recording. Frame i is the i-th frame that decoding the whole recording yields.

    A source belongs to one thread. It may be pickled or carried over a fork: it then opens the recording again by its
    path, and never shares a decoder.

    """

    @property
    def frames(self) -> int:
        """Exact count: what a full decode yields. Headers are not believed."""
        ...

    @property
    def height(self) -> int:
        """Pixels, after the rotation that the file asks for."""
        ...

    @property
    def width(self) -> int:
        """Pixels, after rotation."""
        ...

    @property
    def fps(self) -> float:
        """Frames per second, on average; 0.0 where it is not known (frame folders)."""
        ...

    @property
    def duration(self) -> float:
        """Seconds; 0.0 where it is not known."""
        ...

    @property
    def codec(self) -> str:
        """Short name, for example "h264"."""
        ...

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """Frames `indices`, in the order given; repeats are fine.

        Args:
            indices: 0-based frame numbers.
            short_side: pixels; the frames are scaled in the decoder's own scaler so that their short side has this
                size, but never enlarged. None keeps the native size.

        Returns:
            uint8 [len(indices), H, W, 3], RGB.

        Raises:
            VideoError: a frame that is not there or does not decode.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


BACKENDS = ("auto", "pyav", "torchcodec")
READS = {"rgb": 3, "flow": 2}  # kinds of frames that can be read, and the channels of one


def open_video(
    path: str | os.PathLike[str],
    backend: str = "auto",
    template: str | None = None,
    *,
    threads: int = 1,
    reads: str = "rgb",
    timeout: float = TIMEOUT,
) -> VideoSource:
    """Open a video file, an address that FFmpeg can open and seek in, or a folder of frames.

    Args:
        path: a file, a folder of images, or an address such as "https://...".
        backend: "pyav", "torchcodec", or "auto", which is PyAV: it is there on every machine and measured faster
            (docs/reader.md).
        template: file names in a frame folder, for example "img_{:05d}.jpg", of flow "flow_{}_{:05d}.jpg"; guessed if
            None.
        threads: decoding threads; 1 is right in data-loading workers, 0 lets FFmpeg choose.
        reads: kind of frames, a key of `READS`: "rgb", or "flow" for a folder of optical flow, whose frames are uint8
            [H, W, 2] (`spatempo.video.frame_folder.FlowFolder`).
        timeout: seconds that opening an address, a seek in it and each of its packets may take; other paths are not
            timed.

    Raises:
        VideoError: it is missing, is no video, or no frame of it decodes; an address that does not answer in time.
        SpatempoError: an unknown backend or kind of frames, or a backend that does not load here.
    """
    if backend not in BACKENDS:
        raise SpatempoError(f"backend={backend!r} is not known: use one of {', '.join(BACKENDS)}")
    if reads not in READS:
        raise SpatempoError(f"reads={reads!r} is not known: use one of {', '.join(READS)}")
    check_number("timeout", timeout)
    name = os.fspath(path)
    if not is_address(name):
        if os.path.isdir(name):
            from spatempo.video.frame_folder import FlowFolder, FrameFolder

            return {"rgb": FrameFolder, "flow": FlowFolder}[reads](name, template)
        if not os.path.exists(name):
            raise VideoError(name, "no such file or folder; check the path")
        if not os.path.isfile(name):  # a pipe or a device would be waited for, or read without end
            raise VideoError(name, "neither a file nor a folder, but a pipe, socket or device; give a video file")
        if os.path.getsize(name) == 0:
            raise VideoError(name, "the file is empty; copy it again or leave it out")
    if reads == "flow":
        raise VideoError(
            name,
            "flow is read from a folder of flow_x_00001.jpg, flow_y_00001.jpg, ..., and this is none; extract it first",
        )
    if template is not None:
        raise VideoError(name, f"template={template!r} is for a folder of frames, and this is not a folder")
    if backend == "torchcodec":
        from spatempo.video.torchcodec_reader import TorchCodecReader

        if is_address(name):
            raise VideoError(name, "torchcodec waits for a server without a time limit; use backend='pyav'")
        return TorchCodecReader(name, threads=threads)
    from spatempo.video.pyav_reader import PyAVReader

    return PyAVReader(name, threads=threads, timeout=timeout)
