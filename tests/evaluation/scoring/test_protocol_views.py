"""Frames and crop positions of every published protocol, against hand-computed values.

Frames of the test videos encode their number, and pixels encode their position.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spatempo.evaluation.scoring.protocols import PROTOCOLS
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.views import ArrayFrames, load_views

# T = 8 segments, tick = n / 8. The middles are int(tick / 2 + tick * i), the beginnings int(tick * i).
MIDDLES = {
    1: [0, 0, 0, 0, 0, 0, 0, 0],
    3: [0, 0, 0, 1, 1, 2, 2, 2],  # .1875 + .375 i
    8: [0, 1, 2, 3, 4, 5, 6, 7],
    40: [2, 7, 12, 17, 22, 27, 32, 37],  # 2.5 + 5 i
    100: [6, 18, 31, 43, 56, 68, 81, 93],  # 6.25 + 12.5 i
    250: [15, 46, 78, 109, 140, 171, 203, 234],  # 15.625 + 31.25 i
}
BEGINNINGS = {
    1: [0, 0, 0, 0, 0, 0, 0, 0],
    3: [0, 0, 0, 1, 1, 1, 2, 2],  # .375 i
    8: [0, 1, 2, 3, 4, 5, 6, 7],
    40: [0, 5, 10, 15, 20, 25, 30, 35],
    100: [0, 12, 25, 37, 50, 62, 75, 87],
    250: [0, 31, 62, 93, 125, 156, 187, 218],
}
ONE = {n: [MIDDLES[n]] for n in MIDDLES}
TWO = {n: [MIDDLES[n], BEGINNINGS[n]] for n in MIDDLES}
TSN = {  # T = 25
    1: [[0] * 25],
    5: [[0] * 5 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5],  # .1 + .2 i
    250: [[5, 15, 25, 35, 45, 55, 65, 75, 85, 95, *range(105, 250, 10)]],
}


def every(step: int, *starts: int) -> list[list[int]]:
    """Eight frames with a distance of `step`, from each start."""
    return [[start + step * i for i in range(8)] for start in starts]


DENSE = {  # T = 8: every 8th frame of 64, from floor(linspace(0, n - 64, 10)); a shorter video repeats
    3: [[0, 2, 1, 0, 2, 1, 0, 2]] * 10,  # 0 8 16 24 ... modulo 3
    30: [[0, 8, 16, 24, 2, 10, 18, 26]] * 10,
    64: every(8, *[0] * 10),
    100: every(8, 0, 4, 8, 12, 16, 20, 24, 28, 32, 36),
    200: every(8, 0, 15, 30, 45, 60, 75, 90, 105, 120, 136),  # 136 / 9 = 15.1
}
OFFSETS = {  # clip k of 10 is at the fraction (k + 1/2) / 10 of every segment
    8: [[0, 1, 2, 3, 4, 5, 6, 7]] * 10,
    80: every(10, *range(10)),
    # .01875 + .0375 k + .375 i: the sixth frame is 1 for k up to 2.8, the third is 0 for k up to 6.2
    3: [[0, 0, 0, 1, 1, 1, 2, 2]] * 3 + [[0, 0, 0, 1, 1, 2, 2, 2]] * 4 + [[0, 0, 1, 1, 1, 2, 2, 2]] * 3,
}
RUNS = {  # T = 8 consecutive frames, from floor(linspace(0, n - 8, 10)); a shorter video repeats
    5: [[0, 1, 2, 3, 4, 0, 1, 2]] * 10,
    8: every(1, *[0] * 10),
    40: every(1, 0, 3, 7, 10, 14, 17, 21, 24, 28, 32),  # 32 / 9 = 3.56
    100: every(1, 0, 10, 20, 30, 40, 51, 61, 71, 81, 92),  # 92 / 9 = 10.2
}

FRAMES = {
    "something-efficient": ONE,
    "something-accurate": TWO,
    "something-accurate-224": TWO,
    "jester": TWO,
    "diving48": ONE,
    "diving48-2x1": TWO,
    "ucf-hmdb": TWO,
    "tsn": TSN,
    "kinetics-1x1": ONE,
    "kinetics-1x10": ONE,
    "kinetics-10x3": DENSE,
    "kinetics-10x3-softmax": DENSE,
    "kinetics-10x10": DENSE,
    "kinetics-10x10-uniform": OFFSETS,
    "r2plus1d": RUNS,
}

# (top, left, mirrored) in a frame with a short side of 256 (128): 340 x 256 pixels landscape, 256 x 340 portrait.
CENTRE = [(16, 58, False)], [(58, 16, False)]
FULL = [(0, 0, False), (0, 42, False), (0, 84, False)], [(0, 0, False), (42, 0, False), (84, 0, False)]
THREE = [(16, 0, False), (16, 58, False), (16, 116, False)], [(0, 16, False), (58, 16, False), (116, 16, False)]
FIVE = [(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)], [(0, 0), (0, 32), (116, 0), (116, 32), (58, 16)]
TEN = tuple([(*place, mirrored) for mirrored in (False, True) for place in places] for places in FIVE)
SMALL = [(8, 29, False)], [(29, 8, False)]  # 112 of 170 x 128

CROPS = {
    "something-efficient": CENTRE,
    "something-accurate": FULL,
    "something-accurate-224": THREE,
    "jester": FULL,
    "diving48": CENTRE,
    "diving48-2x1": CENTRE,
    "ucf-hmdb": FULL,
    "tsn": TEN,
    "kinetics-1x1": CENTRE,
    "kinetics-1x10": TEN,
    "kinetics-10x3": FULL,
    "kinetics-10x3-softmax": FULL,
    "kinetics-10x10": TEN,
    "kinetics-10x10-uniform": TEN,
    "r2plus1d": SMALL,
}


def load_protocol_views(name: str, video: np.ndarray, preprocess: Preprocess) -> torch.Tensor:
    """Views of a video, in grey levels: ``[clips, crops, 3, T, H, W]``."""
    model = nn.Identity()
    model.preprocess, model.classes = preprocess, None  # type: ignore[assignment]
    plan, preprocess = view_plan(model, name)
    views = load_views(ArrayFrames(video), preprocess, plan.clips, plan.crops)
    return (views * 255).round().int().unflatten(0, (plan.clips, plan.crops))


def without_normalisation(**options: int) -> Preprocess:
    return Preprocess(mean=(0, 0, 0), std=(1, 1, 1), **options)  # type: ignore[arg-type]


def test_all_protocols_are_tested() -> None:
    assert set(FRAMES) == set(CROPS) == set(PROTOCOLS)


@pytest.mark.parametrize(("name", "n"), [(name, n) for name in FRAMES for n in FRAMES[name]])
def test_frames_of_every_clip(name: str, n: int) -> None:
    video = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 8, 8, 3)).copy()
    views = load_protocol_views(name, video, without_normalisation(frames=8, size=7, resize=8))
    assert views[:, 0, 0, :, 0, 0].tolist() == FRAMES[name][n]
    assert (views == views[:, :1, :1, :, :1, :1]).all()  # all crops and pixels of a clip come from the same frames


@pytest.mark.parametrize("portrait", [False, True])
@pytest.mark.parametrize("name", CROPS)
def test_positions_of_crops(name: str, portrait: bool) -> None:
    small = name == "r2plus1d"
    sides = (128, 170) if small else (256, 340)
    height, width = sides[::-1] if portrait else sides
    rows, columns = np.mgrid[:height, :width]
    where = np.stack([rows % 256, columns % 256, rows // 256 * 2 + columns // 256], -1).astype(np.uint8)
    views = load_protocol_views(name, where[None], without_normalisation(frames=1, size=112 if small else 224))
    found = []
    for row, column, high in views[0, :, :, 0].tolist():
        top = row[0][0] + 256 * (high[0][0] // 2)
        ends = [column[0][end] + 256 * (high[0][end] % 2) for end in (0, -1)]
        found.append((top, min(ends), ends[0] > ends[1]))
        assert abs(ends[1] - ends[0]) + 1 == len(column[0]) == views.shape[-1]
    assert found == CROPS[name][portrait]
