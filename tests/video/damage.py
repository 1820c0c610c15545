"""Small clips of six codecs, and damage done to them: for the test of damaged files and benchmarks/damaged.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from video_clips import make_clip

_SIZE = {"count": 24, "height": 48, "width": 64}
# file name -> what `make_clip` needs; few frames from key frame to key frame, so that seeks happen
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
_HEADER = 1500  # bytes at either end of a file in which containers keep their tables
# four bytes of a size, a count or a time, in either byte order
_BIG = tuple(bytes.fromhex(number) for number in ("7fffffff", "ffffffff", "80000000", "00000000", "00010000"))
_NUMBERS = (*_BIG, *(number[::-1] for number in _BIG))


class Damage(NamedTuple):
    """One change to a file.

    Attributes:
        kind: one of `KINDS`.
        at: where, 0 to 1: from the start to the end of the file, or of its headers.
        size: bytes; "flip" and "number" have their own.
        value: what is written, or which bit is flipped. 0 to 255.
    """

    kind: str
    at: float
    size: int
    value: int


def write_clips(folder: Path) -> dict[str, bytes]:
    """The clips of `CLIPS`, whole: name -> content. `folder` takes the files."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 reports errors only
    return {name: make_clip(folder / name, **_SIZE, **asked).read_bytes() for name, asked in CLIPS.items()}


def damaged(data: bytes, changes: list[Damage]) -> bytes:
    """`data` with all changes made, one after the other."""
    out = bytearray(data)
    for kind, where, size, value in changes:
        if len(out) < 16:
            break
        at = int(where * (len(out) - 1))
        if kind in ("header", "number"):  # somewhere in the first or the last bytes
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
    """One to four changes."""
    return [
        Damage(str(rng.choice(KINDS)), float(rng.random()), int(2 ** rng.uniform(0, 11)), int(rng.integers(256)))
        for _ in range(rng.integers(1, 5))
    ]
