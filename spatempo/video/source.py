"""The interface to recorded video: request frame numbers, get exactly those frames.

There are two protocols. `VideoSource` gives *random access* to a recording with a known length. `FrameStream` gives
*frames in order* from any source. Every recording is both; a camera or a network stream is only a `FrameStream`.
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
    """Frames in display order. Its length is not known in advance, and it may not end."""

    path: str

    def stream(self, short_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds since the first frame, uint8 [H, W, 3] RGB), one frame at a time, in constant memory."""
        ...

    def close(self) -> None:
        """Close the file or device."""
        ...


@runtime_checkable
class VideoSource(FrameStream, Protocol):
    """A recording. Frame i is the i-th frame that decoding the whole recording yields.

    Use a source in one thread only. It can be pickled and used after a fork: it then opens the recording again by its
    path, and never shares a decoder.
    """

    @property
    def frames(self) -> int:
        """Exact number of frames of a full decode, not the number in the header."""
        ...

    @property
    def height(self) -> int:
        """Pixels, after the rotation stored in the file."""
        ...

    @property
    def width(self) -> int:
        """Pixels, after rotation."""
        ...

    @property
    def fps(self) -> float:
        """Average number of frames per second; 0.0 if unknown (frame folders)."""
        ...

    @property
    def duration(self) -> float:
        """Seconds; 0.0 if unknown."""
        ...

    @property
    def codec(self) -> str:
        """Short name, for example "h264"."""
        ...

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """Read the frames `indices`, in the order given; indices may repeat.

        Args:
            indices: 0-based frame numbers.
            short_side: pixels; frames are scaled during decoding so that their short side has this size, but never
                enlarged. None keeps the native size.

        Returns:
            uint8 [len(indices), H, W, 3], RGB.

        Raises:
            VideoError: a frame that does not exist or cannot be decoded.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


BACKENDS = ("auto", "pyav", "torchcodec")
READS = {"rgb": 3, "flow": 2}  # kinds of frames that can be read, and their number of channels


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
        backend: "pyav", "torchcodec", or "auto". "auto" is PyAV, which is always installed and was measured to be
            faster (docs/reader.md).
        template: file names in a frame folder, for example "img_{:05d}.jpg", or "flow_{}_{:05d}.jpg" for flow. None
            tries common names.
        threads: number of decoding threads; use 1 in data-loading workers, 0 lets FFmpeg choose.
        reads: kind of frames, a key of `READS`: "rgb", or "flow" for a folder of optical flow, whose frames are uint8
            [H, W, 2] (`spatempo.video.frame_folder.FlowFolder`).
        timeout: limit in seconds for opening an address, for each seek and for each packet. Files have no limit.

    Raises:
        VideoError: the path does not exist, is not a video, or no frame can be decoded; or an address times out.
        SpatempoError: an unknown backend or kind of frames, or a backend that does not load on this machine.
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
        if not os.path.isfile(name):  # reading a pipe or a device could wait or continue forever
            raise VideoError(name, "neither a file nor a folder but a pipe, socket or device; give a video file")
        if os.path.getsize(name) == 0:
            raise VideoError(name, "the file is empty; copy it again or leave it out")
    if reads == "flow":
        raise VideoError(
            name,
            "flow is read from a folder of flow_x_00001.jpg, flow_y_00001.jpg, ..., not from a video; extract it first",
        )
    if template is not None:
        raise VideoError(
            name, f"template={template!r} is for a folder of frames, and this is not a folder; remove template"
        )
    if backend == "torchcodec":
        from spatempo.video.torchcodec_reader import TorchCodecReader

        if is_address(name):
            raise VideoError(name, "torchcodec has no time limit for network addresses; use backend='pyav'")
        return TorchCodecReader(name, threads=threads)
    from spatempo.video.pyav_reader import PyAVReader

    return PyAVReader(name, threads=threads, timeout=timeout)
