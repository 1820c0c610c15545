"""Opening the clips of a manifest. Does not import torch, so that the processes of scanning and caching start fast."""

from __future__ import annotations

import os

from spatempo.video.source import VideoSource, open_video


def open_clip(path: str, template: str | None = None, backend: str = "auto", *, reads: str = "rgb") -> VideoSource:
    """Opens a clip of a manifest; `template` is used only if the clip is a frame folder."""
    return open_video(path, backend=backend, template=template if os.path.isdir(path) else None, reads=reads)
