"""Published protocols against the numbers in the authors' code, and their sizes for other models."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.evaluation.scoring.protocols import PROTOCOLS, protocol, views
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.spec import Preprocess
from spatempo.models.registry import create_model

# name: clips, crops, sampling, crop size and short side for a model with 224 pixels and segment sampling
PUBLISHED = {
    "something-efficient": (1, 1, "segment", 224, 256),
    "something-accurate": (2, 3, "segment", 256, 256),
    "something-accurate-224": (2, 3, "segment", 224, 256),
    "jester": (2, 3, "segment", 256, 256),
    "diving48": (1, 1, "segment", 224, 256),
    "diving48-2x1": (2, 1, "segment", 224, 256),
    "ucf-hmdb": (2, 3, "segment", 256, 256),
    "tsn": (1, 10, "segment", 224, 256),
    "kinetics-1x1": (1, 1, "segment", 224, 256),
    "kinetics-1x10": (1, 10, "segment", 224, 256),
    "kinetics-10x3": (10, 3, "dense", 256, 256),
    "kinetics-10x3-softmax": (10, 3, "dense", 256, 256),
    "kinetics-10x10": (10, 10, "dense", 224, 256),
    "kinetics-10x10-uniform": (10, 10, "segment", 224, 256),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_numbers_equal_the_published_ones(name: str) -> None:
    plan = protocol(name)
    preprocess = plan.apply(Preprocess())
    assert (plan.clips, plan.crops, preprocess.sampling, preprocess.size, preprocess.short_side) == PUBLISHED[name]
    assert (plan.size, plan.resize) == PUBLISHED[name][3:]
    assert plan.note


def test_every_protocol_but_r2plus1d_is_in_the_table() -> None:
    assert set(PROTOCOLS) - set(PUBLISHED) == {"r2plus1d"}
    assert all(name == plan.name for name, plan in PROTOCOLS.items())


def test_r2plus1d_is_ten_clips_with_a_centre_crop() -> None:
    plan = protocol("r2plus1d")
    preprocess = plan.apply(Preprocess(frames=16, size=112, resize=128))
    assert (plan.clips, plan.crops, plan.size, plan.resize) == (10, 1, 112, 128)
    assert (preprocess.size, preprocess.short_side) == (112, 128)


def test_average_is_that_of_the_authors_code() -> None:
    """Softmax in VMZ (the blob "softmax" in test_net.py) and Non-local; logits in TSN, TSM and GSM."""
    averaged = {name for name, plan in PROTOCOLS.items() if plan.average == "softmax"}
    assert averaged == {"r2plus1d", "kinetics-10x3-softmax"}
    assert {plan.average for plan in PROTOCOLS.values()} == {"softmax", "logits"}
    assert views(Preprocess(), clips=2).average == "logits"


def test_windows_come_from_the_protocol() -> None:
    """A dense Kinetics clip spans 64 frames (stride 4 for 16), also for a network trained on consecutive frames."""
    consecutive = Preprocess(frames=16, sampling="dense", window=None)
    assert protocol("kinetics-10x3").apply(consecutive).window == 64
    assert protocol("r2plus1d").apply(Preprocess()).window is None
    assert views(consecutive, clips=10).apply(consecutive).window is None
    assert create_model("r2plus1d_18", num_classes=2, width=8, frames=32).preprocess.window is None


def test_tsn_has_25_segments() -> None:
    assert protocol("tsn").apply(Preprocess(frames=3)).frames == 25


def test_sizes_follow_the_model() -> None:
    small = Preprocess(frames=5, size=112, sampling="dense", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    centre = protocol("something-efficient").apply(small)
    full = protocol("something-accurate").apply(small)
    assert (centre.size, centre.short_side, centre.sampling) == (112, 128, "segment")
    assert (full.size, full.short_side) == (128, 128)
    own_ratio = Preprocess(size=112, resize=120)  # the model's short side is kept and is the full resolution
    assert (protocol("jester").apply(own_ratio).size, protocol("kinetics-1x1").apply(own_ratio).size) == (120, 112)
    for preprocess in (centre, full):
        assert (preprocess.frames, preprocess.mean, preprocess.std) == (5, small.mean, small.std)
        assert preprocess.modality == "rgb"


def test_clips_and_crops_keep_the_input_specification_of_the_model() -> None:
    preprocess = Preprocess(sampling="dense", size=100, resize=111)
    plan = views(preprocess, clips=3, crops=3)
    assert plan.views == 9
    assert plan.apply(preprocess) == preprocess
    same = Preprocess(size=64, resize=64)
    assert views(same).apply(same) == same


@pytest.mark.parametrize(("clips", "crops"), [(0, 1), (1, 0), (-1, 3)])
def test_counts_below_one_are_rejected(clips: int, crops: int) -> None:
    with pytest.raises(SpatempoError, match="give a whole number from 1"):
        views(Preprocess(), clips=clips, crops=crops)


def test_error_for_an_unknown_name_lists_the_known_names() -> None:
    with pytest.raises(SpatempoError, match=r"'kinetcs'.*kinetics-10x3"):
        protocol("kinetcs")


def test_view_plan_accepts_a_protocol_or_counts() -> None:
    model = nn.Identity()
    with pytest.raises(SpatempoError, match=r"set model\.preprocess"):
        view_plan(model)
    model.preprocess = Preprocess()  # type: ignore[assignment]
    with pytest.raises(SpatempoError, match=r"Identity has no class names: set model\.classes"):
        view_plan(model)
    model.classes = None  # type: ignore[assignment]
    assert view_plan(model)[0].views == 1
    plan, preprocess = view_plan(model, "jester")
    assert (plan.views, preprocess.size) == (6, 256)
    with pytest.raises(SpatempoError, match="either the protocol or clips and crops"):
        view_plan(model, "jester", clips=2)
    with pytest.raises(SpatempoError, match="crops is 7"):
        view_plan(model, crops=7)


def test_protocols_do_not_import_torch() -> None:
    code = "import sys, spatempo.evaluation.scoring.protocols; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "torch" in sys.modules  # the check itself works
    assert torch.__version__
