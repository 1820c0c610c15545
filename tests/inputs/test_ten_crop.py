"""Ten crops against slices cut by hand."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.ten_crop import TEN_CROPS, TenCrop

PLAIN = Preprocess(frames=2, size=6, resize=8, mean=(0, 0, 0), std=(1, 1, 1))


def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)  # short side 8: no resize


def test_crops_are_the_corners_the_centre_and_their_mirror_images() -> None:
    x = frames()
    corners = {"top-left": (0, 0), "top-right": (0, 6), "bottom-left": (2, 0), "bottom-right": (2, 6), "middle": (1, 3)}
    ten = TenCrop.extend(PLAIN)
    assert ten.crops(10) == TEN_CROPS
    assert len(set(TEN_CROPS)) == 10
    for name, (top, left) in corners.items():
        cut = torch.from_numpy(x[:, top : top + 6, left : left + 6]).permute(3, 0, 1, 2) / 255
        torch.testing.assert_close(ten(x, name), cut)
        torch.testing.assert_close(ten(x, "mirrored " + name), cut.flip(3))


def test_other_crops_are_those_of_preprocess() -> None:
    x, ten = frames(), TenCrop.extend(PLAIN)
    for name in ("left", "center", "right"):
        assert torch.equal(ten(x, name), PLAIN(x, name))
    assert torch.equal(ten(x, "middle"), PLAIN(x, "center"))
    assert (ten.crops(1), ten.crops(3)) == (PLAIN.crops(1), PLAIN.crops(3))
    assert pickle.loads(pickle.dumps(ten)) == ten  # it is sent to spawned workers
    for crop in ("middle", "mirrored middle"):  # same memory layout as all other clips
        assert ten(x, crop).permute(1, 2, 3, 0).is_contiguous()


def test_ten_crops_are_rejected_for_classes_with_directions() -> None:
    model = nn.Identity()
    model.preprocess = PLAIN  # type: ignore[assignment]
    model.classes = ["clap", "swipe left", "swipe right"]  # type: ignore[assignment]
    with pytest.raises(SpatempoError, match=r"10 crops.*'swipe left'.*'swipe right'"):
        view_plan(model, "kinetics-10x10")
    assert view_plan(model, crops=3)[1] == PLAIN
    model.classes = ["clap", "bright light"]  # type: ignore[assignment]
    plan, spec = view_plan(model, "kinetics-10x10")
    assert plan.views == 100
    assert len(spec.crops(10)) == 10
