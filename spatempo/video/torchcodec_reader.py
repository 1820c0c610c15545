"""Reads video files with torchcodec, if it is installed: a second reader with the same interface.

Optional (`pip install "spatempo[codec]"`): torchcodec needs FFmpeg's shared libraries and a build that matches the
installed torch. Its colours may differ from PyAV's by one or two levels, because FFmpeg build and scaler settings
differ. Use the same reader for training and testing.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from spatempo.errors import SpatempoError, VideoError
from spatempo.video._frames import Closing, check_indices, scaled_size


def load_torchcodec() -> ModuleType:
    """Import torchcodec, which loads FFmpeg's libraries.

    Raises:
        SpatempoError: torchcodec does not load; the message states the reason.
    """
    try:
        for name in ("torchcodec.decoders", "torchcodec.transforms"):
            importlib.import_module(name)
        return importlib.import_module("torchcodec")
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SpatempoError(
            f"torchcodec does not load ({reason}): install it with FFmpeg's shared libraries, or use backend='pyav'"
        ) from error


class TorchCodecReader(Closing):
    """One video file, with the interface `spatempo.video.source.VideoSource`.

    Args:
        path: a file.
        threads: number of decoding threads; 0 lets FFmpeg choose.

    Raises:
        SpatempoError: torchcodec does not load.
        VideoError: the file is not a video.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        self.path = os.fspath(path)
        self.threads = threads
        self._decoders: dict[tuple[int, int] | None, Any] = {}
        self._pid = os.getpid()
        self._decoder()

    @property
    def frames(self) -> int:
        return int(self._decoder().metadata.num_frames)

    @property
    def height(self) -> int:
        return int(self._decoder().metadata.height)

    @property
    def width(self) -> int:
        return int(self._decoder().metadata.width)

    @property
    def fps(self) -> float:
        return float(self._decoder().metadata.average_fps or 0.0)

    @property
    def duration(self) -> float:
        return float(self._decoder().metadata.duration_seconds or 0.0)

    @property
    def codec(self) -> str:
        return str(self._decoder().metadata.codec)

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """uint8 [len(indices), H, W, 3]; see `VideoSource.read`."""
        wanted = check_indices(self.path, indices, self.frames)
        size = scaled_size(self.height, self.width, short_side)
        if len(wanted) == 0:
            return np.empty((0, *size, 3), dtype=np.uint8)
        try:
            return self._decoder(size).get_frames_at(indices=wanted.tolist()).data.numpy()
        except (RuntimeError, ValueError, IndexError) as error:
            raise VideoError(self.path, f"torchcodec cannot read it ({_line(error)}); try backend='pyav'") from error

    def stream(self, short_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds since the first frame, uint8 [H, W, 3]) in order; see `FrameStream.stream`."""
        decoder = self._decoder(scaled_size(self.height, self.width, short_side))
        start = None
        for number in range(self.frames):
            frame = decoder.get_frame_at(number)
            start = frame.pts_seconds if start is None else start
            yield frame.pts_seconds - start, frame.data.numpy()

    def _decoder(self, size: tuple[int, int] | None = None) -> Any:
        """A decoder for frames of `size`. The size is fixed when a decoder is made, so there is one per size."""
        if self._pid != os.getpid():  # a decoder must not be used after a fork
            self._decoders, self._pid = {}, os.getpid()
        if size is not None and size == (self.height, self.width):
            size = None
        if size not in self._decoders:
            torchcodec = load_torchcodec()
            try:
                self._decoders[size] = torchcodec.decoders.VideoDecoder(
                    self.path,
                    dimension_order="NHWC",
                    num_ffmpeg_threads=self.threads,
                    seek_mode="exact",
                    transforms=None if size is None else [torchcodec.transforms.Resize(size)],
                )
            except (RuntimeError, ValueError, OSError) as error:
                raise VideoError(
                    self.path,
                    f"torchcodec cannot open it as a video ({_line(error)}); replace the file or leave it out",
                ) from error
        return self._decoders[size]

    def close(self) -> None:
        """Close the file. The next read opens it again."""
        self._decoders = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "threads": self.threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.threads = state["path"], state["threads"]
        self._decoders, self._pid = {}, os.getpid()


def _line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
