"""Small video files for these tests, and the full decode that every reader is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def pictures(count: int, height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    """uint8 [count, height, width, 3]: textures that move and flicker, so frames depend on their neighbours."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 4 + 2, width // 4 + 2, 3))
    base = coarse.repeat(4, 0).repeat(4, 1)[:height, :width]
    noise = rng.integers(-20, 21, (count, height, width, 1))
    moved = np.stack([np.roll(base, (i // 2, 2 * i), (0, 1)) for i in range(count)])
    return np.clip(moved + noise, 0, 255).astype(np.uint8)


def make_clip(
    path: Path,
    codec: str = "libx264",
    *,
    count: int = 60,
    height: int = 64,
    width: int = 96,
    fps: int = 25,
    pix_fmt: str = "yuv420p",
    gop: int | None = None,
    b_frames: int | None = None,
    options: dict[str, str] | None = None,
    times: list[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int = 0,
    movflags: str | None = None,
    seed: int = 0,
) -> Path:
    """Encode `pictures`. `times` are presentation times in `time_base` (default: one frame per tick of 1/fps)."""
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width, stream.pix_fmt = height, width, pix_fmt
        stream.codec_context.thread_count = 1
        if time_base is not None:
            stream.codec_context.time_base = time_base
        if gop is not None:
            stream.codec_context.gop_size = gop
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        if rotation:
            stream.set_display_rotation(rotation)
        for i, picture in enumerate(pictures(count, height, width, seed)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = time_base or Fraction(1, fps)
            frame.pts = i if times is None else times[i]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decode_frames(path: Path | str, *, one_thread: bool = False) -> Iterator[av.VideoFrame]:
    """Every frame of the best stream, in order, decoded by PyAV; packets that cannot be decoded are skipped.

    Use `one_thread` for damaged files: FFmpeg's error concealment depends on the number of threads.
    """
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.best("video")
        if one_thread:
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError:
                yield from stream.codec_context.decode(None)
                return
            with contextlib.suppress(FFmpegError):
                yield from packet.decode()


def decode_all(path: Path | str, *, one_thread: bool = False, **reformat: int) -> np.ndarray:
    """Frames of `decode_frames` in RGB after rotation, uint8 [n, H, W, 3]."""
    return np.stack(
        [
            np.rot90(frame.to_ndarray(format="rgb24", **reformat), round(frame.rotation / 90))
            for frame in decode_frames(path, one_thread=one_thread)
        ]
    )
