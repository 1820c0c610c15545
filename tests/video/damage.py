"""Small clips of six codecs, and functions that damage them; for test_damage.py and benchmarks/damaged.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from video_clips import make_clip

_SIZE = {"count": 24, "height": 48, "width": 64}
# file name -> arguments of `make_clip`; short groups of pictures, so that reading seeks
CLIPS = {
    "h264.mp4": {
        "codec": "libx264",
        "options": {"x264-params": "threads=1:keyint=8:scenecut=0"},
        "movflags": "faststart",
    },
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=8:scenecut=0"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "g": "8"}},
    "av1.mkv": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "keyint=8:lp=1"}},
    "mpeg4.avi": {"codec": "mpeg4", "gop": 8, "b_frames": 2},
    "mpeg2.ts": {"codec": "mpeg2video", "gop": 8, "b_frames": 2},
}
KINDS = ("flip", "cut", "zero", "repeat", "drop", "noise", "header", "number")
_HEADER = 1500  # bytes at each end of a file, where containers store their tables
# four-byte values of a size, a count or a time, in both byte orders
_BIG = tuple(bytes.fromhex(number) for number in ("7fffffff", "ffffffff", "80000000", "00000000", "00010000"))
_NUMBERS = (*_BIG, *(number[::-1] for number in _BIG))


class Damage(NamedTuple):
    """One change to a file.

    Attributes:
        kind: one of `KINDS`.
        at: position from 0 to 1, from the start to the end of the file or of its headers.
        size: number of bytes; "flip" and "number" ignore it.
        value: value to write, or number of the bit to flip. 0 to 255.
    """

    kind: str
    at: float
    size: int
    value: int


def write_clips(folder: Path) -> dict[str, bytes]:
    """Write the undamaged clips of `CLIPS` to `folder`. Returns name -> content."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints only errors
    return {name: make_clip(folder / name, **_SIZE, **arguments).read_bytes() for name, arguments in CLIPS.items()}


def damaged(data: bytes, changes: list[Damage]) -> bytes:
    """Apply all changes to `data`, one after the other."""
    out = bytearray(data)
    for kind, where, size, value in changes:
        if len(out) < 16:
            break
        at = int(where * (len(out) - 1))
        if kind in ("header", "number"):  # in the first or the last bytes
            near = min(_HEADER, len(out) - 1)
            at = int(where * 2 * near)
            at = at if at < near else len(out) - 1 - (at - near)
        end = min(at + size, len(out))
        if kind == "flip":
            out[at] ^= 1 << (value & 7)
        elif kind == "cut":
            del out[at:]
        elif kind == "zero":
            out[at:end] = bytes(end - at)
        elif kind == "repeat":
            out[end:end] = out[at:end]
        elif kind == "drop":
            del out[at:end]
        elif kind == "noise":
            out[at:end] = np.random.default_rng(value).bytes(end - at)
        elif kind == "header":
            out[at] = value
        elif kind == "number":
            out[at : at + 4] = _NUMBERS[value % len(_NUMBERS)]
    return bytes(out)


def random_damage(rng: np.random.Generator) -> list[Damage]:
    """One to four random changes."""
    return [
        Damage(str(rng.choice(KINDS)), float(rng.random()), int(2 ** rng.uniform(0, 11)), int(rng.integers(256)))
        for _ in range(rng.integers(1, 5))
    ]
