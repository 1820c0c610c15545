"""Checkpoints of format 1 load and give the same logits as when they were written (``tests/format1/make.py``)."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
from format1.formula import Fixture, clips, fill, hashes, layout, names, read, uniform, write_checkpoint
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load
from spatempo.models.design import DESIGNS
from spatempo.models.video_model import VideoModel

# Models whose scores do not depend on the order of frames.
BLIND = {"tsn", "tsn_causal", "tsn_max", "tsn_top3", "tsn_attention", "tsn_flow", "sth_p0", "fr2d"}
LARGE = ("resnet50", "resnet18", "inception_v3", "gsf_bninception", "wide")
CASES = [pytest.param(n, marks=pytest.mark.slow if any(part in n for part in LARGE) else ()) for n in names()]


def filled(fixture: Fixture) -> dict[str, Tensor]:
    return fill(layout(fixture), fixture["gain"])


def loaded(fixture: Fixture, tensors: dict[str, Tensor], folder: Path) -> VideoModel:
    """The model of a checkpoint. Its folder is deleted, because the checkpoints of all fixtures take gigabytes."""
    write_checkpoint(folder, fixture["header"], tensors)
    try:
        return load(folder)
    finally:
        shutil.rmtree(folder)


def assert_logits(fixture: Fixture, logits: Tensor) -> None:
    want = torch.tensor(fixture["logits"], dtype=torch.float64)
    torch.testing.assert_close(logits, want, rtol=1e-8, atol=1e-8 * float(want.abs().max()))


def test_every_design_has_fixtures():
    assert {read(name)["header"]["design"] for name in names()} == set(DESIGNS)


@pytest.mark.parametrize("name", names())
def test_stored_logits_depend_on_the_clip_and_the_order_of_frames(name):
    one, other, backwards = torch.tensor(read(name)["logits"], dtype=torch.float64)
    scale = one.abs().max()
    assert (other - one).abs().max() > 0.01 * scale
    if name in BLIND:
        torch.testing.assert_close(backwards, one, rtol=0, atol=1e-11 * float(scale))
    else:
        assert (backwards - one).abs().max() > 0.01 * scale


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_loads_and_gives_the_same_logits(name, tmp_path):
    fixture = read(name)
    header, model = fixture["header"], loaded(fixture, filled(fixture), tmp_path / "run")
    assert {k: tuple(v.shape) for k, v in model.state_dict().items()} == {k: s for k, (_, s) in layout(fixture).items()}
    for fact in ("name", "design", "num_classes", "classes", "clip_seconds", "recipe", "metrics"):
        assert getattr(model, fact) == header[fact], fact
    assert model.head.dropout.p == header["dropout"]
    for key, value in header["preprocess"].items():
        if key != "resize":  # checked as short_side
            now = getattr(model.preprocess, key)
            assert (list(now) if isinstance(value, list) else now) == value, key
    assert model.preprocess.short_side == fixture["short_side"]
    model, clip = model.double(), clips(tuple(fixture["clip"]))
    assert_logits(fixture, model(clip))
    assert model.causal == bool(header["options"].get("causal", False))
    if model.causal:
        state = model.init_state(len(clip))
        logits = torch.empty(0)
        for frames in clip.split(model.step_frames, 2):
            logits, state = model.step(frames, state)
        assert_logits(fixture, logits)


@pytest.mark.parametrize("name", ["tsm", "sth", "vsn", "gsm_causal", "tsm_temporal_pool"])
@pytest.mark.parametrize("change", ["dropped", "added", "moved", "altered"])
def test_checkpoints_with_other_operators_are_refused(name, change, tmp_path):
    fixture = read(name)
    plugged = fixture["header"]["plugged"]
    last = plugged.pop()
    where, _, operator = last.partition(": ")
    plugged += {
        "dropped": [],
        "added": [last, f"{where}.more: {operator}"],
        "moved": [f"backbone.conv1: {operator}"],
        "altered": [f"{where}: Other{operator}"],
    }[change]
    with pytest.raises(SpatempoError, match="operators differ"):
        loaded(fixture, filled(fixture), tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("tsm", "backbone.layer1.0.conv1.weight", "backbone.layer1.0.conv2.weight"),
        ("tsm", "backbone.layer2.1.bn1.running_var", "backbone.layer2.1.bn2.running_var"),
        (
            "gsf",
            "backbone.layer1.0.conv2.temporal.channel_conv1.bias",
            "backbone.layer1.0.conv2.temporal.channel_conv2.bias",
        ),
        ("r2plus1d", "backbone.layer1.0.conv1.0.0.weight", "backbone.layer1.0.conv2.0.0.weight"),
    ],
)
@torch.no_grad()
def test_swapped_tensors_change_the_logits(name, one, other, tmp_path):
    fixture = read(name)
    tensors = filled(fixture)
    tensors[one], tensors[other] = tensors[other], tensors[one]
    model = loaded(fixture, tensors, tmp_path / "run").double()
    with pytest.raises(AssertionError, match="not close"):
        assert_logits(fixture, model(clips(tuple(fixture["clip"]))))


def test_the_formula_with_python_integers():
    def murmur(j: int, number: int) -> int:
        x = (j + (number + 1) * 0x9E3779B9) % 2**32
        x = (x ^ (x >> 16)) * 0x85EBCA6B % 2**32
        x = (x ^ (x >> 13)) * 0xC2B2AE35 % 2**32
        return x ^ (x >> 16)

    for number in (0, 1, 319, 1_000_001):
        assert hashes(50, number).tolist() == [murmur(j, number) for j in range(50)]
    assert math.isclose(float(uniform((2, 3), 4, -1.0, 3.0)[1, 2]), 4 * murmur(5, 4) / 2**32 - 1)
