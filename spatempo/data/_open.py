"""Opening the clips of a manifest. Free of torch: scanning and caching do it in processes that should start fast."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from spatempo.video.source import VideoSource, open_video


class FrameReader(Protocol):
    """What is needed of a recording to make clips of it: any `VideoSource`, cached frames, an array."""

    @property
    def frames(self) -> int: ...

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray: ...


def open_clip(path: str, template: str | None = None, backend: str = "auto", *, flow: bool = False) -> VideoSource:
    """Opens a clip of a manifest, whose `template` is meant for those of its clips that are frame folders."""
    return open_video(path, backend=backend, template=template if os.path.isdir(path) else None, flow=flow)
