"""Writes frames to a video file in which every decoded frame depends only on the frame given.

Ordinary encoders distribute bits unevenly: the first frame is coded independently, later frames as differences, and the
rate control changes the quality from frame to frame. A network can learn such traces and recognise, for example, a
first frame. With ``all_intra=True`` every frame is a key frame with the same constant quantiser, and all options that
use other frames are off. The decoded pixels of a frame are then a function of that frame only: the file of a reversed
clip decodes to exactly the reversed frames (tests/video/test_writer.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from spatempo.errors import SpatempoError
from spatempo.files import atomic_file

# Switches off everything in x264 that uses other frames or redistributes bits (B frames, scene cuts, adaptive
# quantisation, macroblock tree, lookahead). One thread, because the bytes depend on the number of threads.
_X264_INTRA = "keyint=1:min-keyint=1:bframes=0:scenecut=0:aq-mode=0:mbtree=0:rc-lookahead=0:threads=1:sliced-threads=0"


def write_video(
    path: str | os.PathLike[str],
    frames: np.ndarray | Iterable[np.ndarray],
    fps: float,
    *,
    qp: int = 20,
    all_intra: bool = True,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    preset: str = "veryfast",
) -> Path:
    """Encodes RGB frames into a video file (the container follows the file's suffix).

    The file appears only when it is complete.

    Args:
        path: the file to write, for example ``clip.mp4``; its folder is created, an existing file is replaced.
        frames: uint8 ``[T, H, W, 3]``, or an iterable of uint8 ``[H, W, 3]``, all of the same size.
        fps: frames per second.
        qp: constant quantiser, 0 (best) to 51; for encoders other than libx264, their own scale from 1 (best) to 31.
        all_intra: make every frame a key frame, which depends on no other frame. ``False`` gives the ordinary groups of
            pictures: much smaller files, in which decoded frames depend on their neighbours.
        codec: name of the FFmpeg encoder.
        pix_fmt: pixel format; ``yuv420p`` (for every player) needs an even height and width, ``yuv444p`` does not.
        preset: x264's trade-off between speed and file size.

    Returns:
        The path written.

    Raises:
        SpatempoError: the encoder is missing, the frames are not as described, or the file cannot be written.
    """
    target = Path(path)
    encoder = _encoder(codec)
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0:
        raise SpatempoError(f"{target}: fps={fps} is not a frame rate; give frames per second, for example 25")
    checked = _checked(target, frames, even=pix_fmt == "yuv420p")
    first = next(checked, None)
    if first is None:
        raise SpatempoError(f"{target}: there are no frames to write; give at least one")
    with atomic_file(target) as temporary:
        try:
            with av.open(str(temporary), "w") as container:
                stream = container.add_stream(encoder.name, rate=rate, options=_options(codec, qp, all_intra, preset))
                assert isinstance(stream, VideoStream)
                _configure(stream, first, pix_fmt)
                if codec != "libx264":
                    stream.codec_context.qmin = stream.codec_context.qmax = min(max(qp, 1), 31)
                    stream.codec_context.gop_size = 1 if all_intra else 12
                for packet in _packets(stream, first, checked):
                    container.mux(packet)
        except (FFmpegError, ValueError) as error:  # ValueError: a suffix of no known container
            raise SpatempoError(f"{target}: cannot write the video with {codec}: {error}") from error
    return target


def _encoder(name: str) -> av.Codec:
    try:
        return av.Codec(name, "w")
    except ValueError as error:  # PyAV's UnknownCodecError is one
        raise SpatempoError(
            f"video encoder {name!r} is missing from this PyAV ({av.__version__}); reinstall the wheel with "
            "'pip install --force-reinstall av', or name another encoder, for example codec='mpeg4'"
        ) from error


def _options(codec: str, qp: int, all_intra: bool, preset: str) -> dict[str, str]:
    if codec != "libx264":
        return {}
    options = {"qp": str(qp), "preset": preset}
    return options | {"x264-params": _X264_INTRA} if all_intra else options


def _configure(stream: VideoStream, first: np.ndarray, pix_fmt: str) -> None:
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = pix_fmt
    # the defaults of FFmpeg's scaler, stored in the file so that readers need not guess
    stream.codec_context.colorspace = 5  # BT.470BG, the BT.601 matrix
    stream.codec_context.color_range = 1  # limited ("MPEG") range


def _packets(stream: VideoStream, first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[av.Packet]:
    scaler = VideoReformatter()  # reused: setting it up takes longer than converting a small frame
    for frame in chain((first,), rest):
        stored = scaler.reformat(av.VideoFrame.from_ndarray(frame, format="rgb24"), format=stream.pix_fmt)
        yield from stream.encode(stored)
    yield from stream.encode(None)


def _checked(target: Path, frames: Iterable[np.ndarray], even: bool) -> Iterator[np.ndarray]:
    """Checks each frame against the first and makes it contiguous."""
    shape: tuple[int, ...] | None = None
    for index, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != shape:
            raise SpatempoError(
                f"{target}: frame {index} is {frame.dtype} {list(frame.shape)}, not uint8 [H, W, 3] "
                f"like the first, {list(shape)}; convert the frames to one size of 8-bit RGB"
            )
        if even and (shape[0] % 2 or shape[1] % 2):
            raise SpatempoError(
                f"{target}: {shape[0]}x{shape[1]} pixels cannot be stored as yuv420p, which needs an even height and "
                "width; pad or crop by one pixel, or give pix_fmt='yuv444p'"
            )
        yield np.ascontiguousarray(frame)
