"""Opening the clips of a manifest. Free of torch: scanning and caching do it in processes that should start fast."""

from __future__ import annotations

import os

from spatempo.video.source import VideoSource, open_video


def open_clip(path: str, template: str | None = None, backend: str = "auto", *, reads: str = "rgb") -> VideoSource:
    """Opens a clip of a manifest, whose `template` is meant for those of its clips that are frame folders."""
    return open_video(path, backend=backend, template=template if os.path.isdir(path) else None, reads=reads)
