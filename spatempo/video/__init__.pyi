from .source import BACKENDS, FrameStream, VideoSource, open_video
from .writer import write_video

__all__ = [
    "BACKENDS",
    "FrameStream",
    "VideoSource",
    "open_video",
    "write_video",
]
