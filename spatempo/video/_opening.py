"""Opens a video with FFmpeg, from a file or an address, and selects its video stream."""

from __future__ import annotations

import os

import av
import av.stream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from spatempo.errors import VideoError
from spatempo.video._frames import MAX_PIXELS, check_size
from spatempo.video._network import network_failure, within

# Formats that refer to other files. A local file of unknown origin must not open other files. At an address these
# formats are allowed, because streams are published in them.
_LISTS = {"concat", "dash", "hls", "sdp", "vobsub", "webm_dash_manifest"}
_VIDEOS = ",".join(sorted(av.formats_available - _LISTS))


def open_stream(path: str, timeout: float | None) -> tuple[InputContainer, VideoStream]:
    """Open a video. Returns its container, at the start, and its best video stream.

    Args:
        path: a file, or an address that FFmpeg can open.
        timeout: limit in seconds for opening an address and for each packet; None for a file.

    Raises:
        VideoError: the video cannot be opened, or has no video stream that can be decoded.
    """
    # an absolute path, so that the file "a:b.mp4" is not read as protocol "a"
    name = os.path.abspath(path) if timeout is None else path
    options = {"max_pixels": str(MAX_PIXELS)}
    if timeout is None:
        options["format_whitelist"] = _VIDEOS
    else:  # limits a seek, which PyAV's own time limit does not cover
        options["rw_timeout"] = str(int(timeout * 1e6))
    try:
        container = within(
            timeout, path, lambda: av.open(name, metadata_errors="ignore", options=options, timeout=timeout)
        )
    except (FFmpegError, OSError) as error:
        fix = "replace the file or leave it out"
        if timeout is not None:
            if failure := network_failure(path, error):
                raise failure from error
            fix = "check that a video is at this address"
        raise VideoError(path, f"not a video, or damaged ({error.strerror}); {fix}") from error
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        container.close()
        raise VideoError(path, "it has no video stream, or is cut short; leave it out")
    if stream.codec_context is None:  # PyAV has no decoder for it
        container.close()
        raise VideoError(path, "its codec is unknown: damaged, or not supported; convert it or leave it out")
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # options of the container do not reach the decoder
    check_size(path, stream.codec_context.height, stream.codec_context.width)
    for other in container.streams:
        if other is not stream and hasattr(av.stream, "Discard"):  # PyAV >= 16: do not read other streams
            other.discard = av.stream.Discard.all
    return container, stream
