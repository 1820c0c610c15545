"""Fixtures: small clips, encoded in the test session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

WriteClip = Callable[..., Path]


def _write_clip(path: Path, frames: int = 12, height: int = 48, width: int = 64, seed: int = 0) -> Path:
    """Writes an MPEG-4 clip with a smooth moving texture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, size=3)
    y, x = np.mgrid[:height, :width]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.bit_rate = 2_000_000
        for t in range(frames):
            image = np.stack([128 + 100 * np.sin((x + 3 * t) / 7 + p + y / 11) for p in phase], axis=-1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


@pytest.fixture(scope="session")
def write_clip() -> WriteClip:
    return _write_clip


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes with three clips each: two of 12 frames and one of 7."""
    root = tmp_path_factory.mktemp("clips")
    for k, name in enumerate(["wave", "clap hands"]):
        for i in range(3):
            _write_clip(root / name / f"clip {i}.mp4", frames=7 if i == 2 else 12, seed=10 * k + i)
    return root


@pytest.fixture(scope="session")
def gestures() -> Path:
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "gestures"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/gestures next to the checkout")
    return folder
