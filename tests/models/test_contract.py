"""One contract over every design of the catalogue: whatever it does with time, it keeps these promises."""

from __future__ import annotations

import pytest
import torch
from networks import assert_close, clips, gradients, small

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.design import DESIGNS
from spatempo.models.registry import create_model, list_models
from spatempo.models.video_model import VideoModel

# the smallest test configurations that each design registers; a label after the design's name is another case of it
SMALL = {f"{d.name} {label}".strip(): case for d in DESIGNS.values() for label, case in d.small.items()}
FIXED = ("r2d", "vsn")  # exported for one number of frames: parameters or groups of channels depend on it
BLIND = tuple(name for name, design in DESIGNS.items() if design.order_blind)


def small_of(design: str, **options: object) -> VideoModel:
    backbone, fixed = SMALL[design]
    return small(design.split()[0], backbone=backbone, **fixed, **options)


def test_every_design_has_its_smallest_network():
    assert {case for case in SMALL if " " not in case} == set(DESIGNS)


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_shapes_for_any_number_of_frames_it_takes(design):
    model = small_of(design)
    refused: dict[int, str] = {}
    for frames in (1, 4, 5, 8, 16):
        try:
            out = model(clips(frames))
        except SpatempoError as error:
            refused[frames] = str(error)
            continue
        assert out.shape == (2, 3)
        assert_close(model.forward_frames(clips(frames)).mean(1), out)
        assert model.forward_features(clips(frames)).ndim == 5
    assert len(refused) < 5
    # where T is part of a design's wiring, it says so
    assert all(str(frames) in said for frames, said in refused.items())


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_clips_of_a_batch_do_not_meet_and_their_memory_is_nobodys_business(design):
    model = small_of(design)
    batch = clips(batch=3)
    alone = torch.cat([model(batch[i : i + 1]) for i in range(3)])
    assert_close(model(batch), alone)
    assert (alone[0] - alone[1]).abs().max() > 1e-3 * alone.abs().max()
    assert_close(model(batch.contiguous(memory_format=torch.channels_last_3d)), alone)


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_the_order_of_frames_counts_but_for_designs_that_are_blind_to_it(design):
    model = small_of(design)
    scores, shuffled = model(clips()), model(clips()[:, :, [2, 0, 3, 1]])
    if design in BLIND:
        assert_close(shuffled, scores)
    else:
        assert (shuffled - scores).abs().max() > 0.01 * scores.abs().max()


@pytest.mark.parametrize("design", sorted(SMALL))
def test_backward_reaches_every_parameter_also_in_bfloat16(design):
    model = small_of(design)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(clips()).float().square().mean()
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_a_checkpoint_is_the_model(design, tmp_path):
    model = small_of(design)
    model.classes = ["a", "b", "c"]
    save_checkpoint(model, tmp_path)
    twin = load(tmp_path)
    assert torch.equal(twin(clips()), model(clips()))
    assert (twin.options, twin.plugged, twin.preprocess) == (model.options, model.plugged, model.preprocess)


@pytest.mark.parametrize("design", sorted(SMALL))
def test_gradient_checkpointing_changes_nothing(design):
    model = small_of(design)
    plain = gradients(model, clips())
    assert len(plain) == len(list(model.parameters()))
    model.set_grad_checkpointing()
    for a, b in zip(gradients(model, clips()), plain, strict=True):
        assert_close(a, b)


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_exports_with_any_batch_and_number_of_frames(design):
    model = small_of(design)
    fixed = design.split()[0] in FIXED
    free = {0: torch.export.Dim("batch", min=1, max=16)}
    if not fixed:
        # 9 frames leave 2 behind temporal strides of 8: an exported size of 1 would be taken for a constant
        free[2] = torch.export.Dim("frames", min=9, max=64)
    example = clips(4 if fixed else 16)
    program = torch.export.export(model, (example,), dynamic_shapes={"clip": free}).module()
    for frames in (4,) if fixed else (9, 12):
        assert_close(program(clips(frames, batch=3)), model(clips(frames, batch=3)))


LIVE = [d for d in sorted(SMALL) if DESIGNS[d.split()[0]].has_causal_form and d != "tsm non_local"]


@pytest.mark.parametrize("design", LIVE)
@torch.no_grad()
def test_live_equals_offline(design):
    model = small_of(design, causal=True)
    frames = model.step_frames
    clip = clips(5 * frames)
    state = model.init_state(2, 32)
    seen = []
    for part in clip.split(frames, 2):
        logits, state = model.step(part, state)
        seen.append(logits)
    assert_close(seen[-1], model(clip))
    # the answer after three steps is that for the frames so far: nothing came from the future
    assert_close(seen[2], model(clip[:, :, : 3 * frames]))


@pytest.mark.parametrize("name", list_models())
def test_every_listed_model_can_be_built(name):
    with torch.device("meta"):
        model = create_model(name, num_classes=5)
    assert model.head.fc.out_features == 5
