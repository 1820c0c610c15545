"""Checkpoints are complete, written atomically, and read strictly."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from networks import randomise
from safetensors.torch import load_file, save_file

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.models.checkpoint import FILE, describe_checkpoint, load, save_checkpoint
from spatempo.models.registry import create_model


@pytest.fixture
def model():
    model = randomise(create_model("tsm_smallresnet", num_classes=2, shift_div=4, causal=True, dropout=0.3), size=32)
    model.classes = ["pull left", "pousser à droite"]
    model.preprocess = Preprocess(frames=5, size=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.3, 0.4))
    model.clip_seconds = 2.56
    return model


def test_round_trip(tmp_path, model):
    save_checkpoint(model, tmp_path / "dir with space", recipe={"lr": 0.1}, metrics={"top1": 0.75})
    loaded = load(tmp_path / "dir with space")
    clip = torch.randn(1, 3, 5, 32, 32)
    assert torch.equal(loaded(clip), model(clip))
    for fact in (
        "name",
        "design",
        "options",
        "classes",
        "preprocess",
        "plugged",
        "causal",
        "num_classes",
        "clip_seconds",
    ):
        assert getattr(loaded, fact) == getattr(model, fact), fact
    assert loaded.recipe == {"lr": 0.1}
    assert loaded.metrics == {"top1": 0.75}
    assert loaded.head.dropout.p == 0.3
    assert not loaded.training
    assert describe_checkpoint(tmp_path / "dir with space").metrics == {"top1": 0.75}


def test_saving_other_weights_than_the_models(tmp_path, model):
    average = {k: torch.zeros_like(v) for k, v in model.state_dict().items()}
    save_checkpoint(model, tmp_path, state_dict=average)
    assert all((v == 0).all() for v in load(tmp_path).state_dict().values())


def test_loading_a_run_folder_loads_its_best(tmp_path, model):
    save_checkpoint(model, tmp_path / "best")
    assert load(tmp_path).classes == model.classes


def test_invalid_checkpoints_are_refused(tmp_path, model):
    with pytest.raises(SpatempoError, match="no such checkpoint"):
        load(tmp_path / "nowhere")
    with pytest.raises(SpatempoError, match="contains no checkpoint"):
        load(tmp_path)
    torch.save({"a": torch.ones(1)}, tmp_path / FILE)
    with pytest.raises(SpatempoError, match="not a spatempo checkpoint"):
        load(tmp_path)
    save_file({"a": torch.ones(1)}, tmp_path / FILE)
    with pytest.raises(SpatempoError, match="no description"):
        load(tmp_path)
    save_checkpoint(model, tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(SpatempoError, match="damaged"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "newer"),
        ({"plugged": ["layer1.0.conv1 conv: TemporalShift(div=8, causal=True, padding=zero)"]}, "operators differ"),
        ({"num_classes": 3}, "do not fit"),
        ({"design": "unknown"}, "not registered"),
        ({"options": {"shift_dib": 8}}, "shift_dib"),
        ({"preprocess": None}, "damaged"),
    ],
)
def test_a_description_that_does_not_match_the_weights_is_refused(tmp_path, model, change, message):
    save_checkpoint(model, tmp_path)
    facts = {**asdict(describe_checkpoint(tmp_path)), **change}
    save_file(load_file(tmp_path / FILE), tmp_path / FILE, {"spatempo": json.dumps(facts)})
    with pytest.raises(SpatempoError, match=message):
        load(tmp_path)


def test_older_checkpoints_without_the_length_of_training_videos(tmp_path, model):
    save_checkpoint(model, tmp_path)
    facts = asdict(describe_checkpoint(tmp_path))
    assert facts.pop("clip_seconds") == 2.56
    save_file(load_file(tmp_path / FILE), tmp_path / FILE, {"spatempo": json.dumps(facts)})
    assert load(tmp_path).clip_seconds is None


@pytest.mark.parametrize("size", [32, 40, 64])
def test_older_checkpoints_without_a_short_side_use_that_of_their_training(tmp_path, model, size):
    model.preprocess = Preprocess(frames=5, size=size)
    save_checkpoint(model, tmp_path)
    facts = asdict(describe_checkpoint(tmp_path))
    assert facts["preprocess"]["resize"] == size * 256 // 224
    assert load(tmp_path).preprocess == model.preprocess
    facts["preprocess"]["resize"] = None
    save_file(load_file(tmp_path / FILE), tmp_path / FILE, {"spatempo": json.dumps(facts)})
    old = load(tmp_path)
    assert old.preprocess.short_side == {32: 37, 40: 46, 64: 73}[size]
    save_checkpoint(old, tmp_path / "again")
    assert load(tmp_path / "again").preprocess == old.preprocess


def test_a_full_disk_keeps_the_earlier_checkpoint(tmp_path, model):
    """A full disk is simulated with the file size limit of a process."""
    save_checkpoint(model, tmp_path, metrics={"top1": 0.5})
    code = f"""
import resource, torch
from spatempo.files import WriteError
from spatempo.models.checkpoint import load, save_checkpoint
model = load({str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    save_checkpoint(model, {str(tmp_path)!r}, metrics={{"top1": 0.9}})
except WriteError as error:
    print("refused", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused")
    assert load(tmp_path).metrics == {"top1": 0.5}
    assert [p.name for p in tmp_path.iterdir()] == [FILE]  # no partial file remains
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
