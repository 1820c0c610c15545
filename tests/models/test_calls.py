"""Invalid arguments of models, each reported in one line, and calls from several threads."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import assert_close, clips, small

from spatempo.errors import SpatempoError
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel

MODELS = {"tsm_smallresnet": {}, "r2plus1d_18": {"width": 8}}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> VideoModel:
    return small(request.param, **MODELS[request.param])


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (torch.zeros(2, 3, 0, 32, 32), r"T must be at least 1"),
        (torch.zeros(0, 3, 4, 32, 32), r"B must be at least 1"),
        (torch.zeros(1, 3, 4, 0, 32), r"H must be at least 1"),
        (
            torch.zeros(1, 3, 4, 32, 32, dtype=torch.uint8),
            r"got uint8; convert uint8 .*model\.preprocess\(frames\)",
        ),
        (torch.zeros(1, 3, 4, 32, 32, dtype=torch.int64), r"got int64"),
        (np.zeros((1, 3, 4, 32, 32), np.float32), r"got ndarray; convert"),
        ([[1.0]], r"got list"),
        (None, r"got NoneType"),
        (
            torch.zeros(1, 3, 4, 32, 32, dtype=torch.float64),
            r"float64 and the model is float32.*to\(torch\.float32",
        ),
        (torch.zeros(1, 3, 4, 32, 32, dtype=torch.float16), r"float16 and the model is float32"),
        (torch.zeros(3, 4, 32, 32), r"a clip must be \[B, 3, T, H, W\], got shape \(3, 4, 32, 32\)"),
        (torch.zeros(1, 4, 3, 32, 32), r"a clip must be \[B, 3, T, H, W\]"),  # frames and channels swapped
    ],
)
@torch.no_grad()
def test_invalid_clips_are_refused(model, clip, message):
    for call in (model, model.forward_frames, model.forward_features):
        with pytest.raises(SpatempoError, match=message) as caught:
            call(clip)
        assert "\n" not in str(caught.value)


@torch.no_grad()
def test_other_precisions(model):
    clip = clips()
    want = model(clip)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(clip).shape == model(clip.bfloat16()).shape == want.shape
    double = copy.deepcopy(model).double()
    assert_close(double(clip.double()).float(), want)
    with pytest.raises(SpatempoError, match="float32 and the model is float64"):
        double(clip)


@torch.no_grad()
def test_export_keeps_the_batch_size_dynamic():
    model = small("tsm_smallresnet")
    batch = torch.export.Dim("batch", min=1, max=16)
    program = torch.export.export(model, (clips(),), dynamic_shapes={"clip": {0: batch}})
    for size in (1, 3, 16):
        assert_close(program.module()(clips(batch=size)), model(clips(batch=size)))


@torch.no_grad()
def test_step_refuses_invalid_frames_and_states():
    model = small("tsm_smallresnet", causal=True)
    state = model.init_state(2, 32)
    frames = clips()
    for given, given_state, message in [
        (frames, state, r"step\(\) takes one frame of each stream, \[B, 3, 1, H, W\], got 4 in shape \[2, 3, 4"),
        (frames[:, :, 0], state, r"the input of step\(\) must be \[B, 3, 1, H, W\], got shape \(2, 3, 32, 32\)"),
        (frames[:, :, :1].byte(), state, "got uint8"),
        (frames[:, :, :0], state, r"\[B, 3, 1, H, W\], got 0|T must be at least 1"),
        (frames[:, :, :1], None, r"the state returned by model\.init_state\(batch_size\).*got NoneType"),
        (frames[:, :, :1], (), "init_state"),
        (frames[:1, :, :1], state, r"1 streams and a state of 2: create it with model\.init_state\(1\)"),
    ]:
        with pytest.raises(SpatempoError, match=message):
            model.step(given, given_state)
    logits, _ = model.step(frames[:, :, :1], state)  # the model still works after errors
    assert logits.shape == (2, 3)


@pytest.mark.parametrize("name", [None, 5, Path("tsm_resnet50")])
def test_a_model_name_must_be_text(name):
    with pytest.raises(SpatempoError, match="give a name as text, such as 'tsm_resnet50'"):
        create_model(name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_classes": 0}, "`num_classes=0`: give a whole number from 1"),
        ({"frames": 10**8}, "`frames=100000000`"),
        ({"size": 99999999}, "`size=99999999`"),
        ({"dropout": float("nan")}, "`dropout=nan`"),
        ({"mean": (123.7, 116.3, 103.5)}, "divide those for 0..255 by 255"),
        ({"std": (0.0, 1.0, 1.0)}, "`std=0.0`"),
        ({"weights": "a.pth", "pretrained": "b.pth"}, "two names for the same argument"),
        ({"weights": Path("no_such_run")}, "no_such_run"),
    ],
)
def test_invalid_arguments_of_create_model(given, message):
    with pytest.raises(SpatempoError, match=message) as caught:
        create_model("tsm_smallresnet", **given)
    assert "\n" not in str(caught.value)


def test_suggestions_are_not_repeated():
    with pytest.raises(SpatempoError, match="did you mean") as caught:
        create_model("tsm_resnet81")
    near = str(caught.value).partition("did you mean ")[2].rstrip("?").split(", ")
    assert len(set(near)) == len(near) > 1


def test_calls_from_other_threads_are_refused():
    """Three threads call the model during a forward pass of another thread. With a copy per thread, all calls work."""
    model = small("tsm_smallresnet")
    want = model(clips())
    inside, resume = threading.Event(), threading.Event()
    first = True

    def wait(*_: object) -> None:
        nonlocal first
        if first:
            first = False
            inside.set()
            resume.wait(30)

    hook = next(model.backbone.children()).register_forward_hook(wait)
    slow = threading.Thread(target=model, args=(clips(),))
    slow.start()
    assert inside.wait(30)
    messages: list[str] = []

    def call() -> None:
        try:
            model(clips())
        except RuntimeError as error:
            messages.append(str(error))

    others = [threading.Thread(target=call) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(30)
    resume.set()
    slow.join(30)
    hook.remove()
    assert len(messages) == 3
    fix = "give each thread a copy of the model (copy.deepcopy), or put a lock around the call"
    assert all(fix in message for message in messages)

    found: list[torch.Tensor] = []
    copies = [copy.deepcopy(model) for _ in range(4)]
    threads = [threading.Thread(target=lambda m=m: found.append(m(clips()))) for m in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert all(torch.equal(logits, want) for logits in found)
