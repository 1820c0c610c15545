"""The contract tests, which every registered design must pass."""

from __future__ import annotations

import pytest
import torch
from networks import assert_close, clips, gradients, small

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.design import DESIGNS
from spatempo.models.registry import create_model, list_models
from spatempo.models.video_model import VideoModel

# the smallest test configurations of each design; a label after the design's name is another configuration of it
SMALL = {f"{d.name} {label}".strip(): case for d in DESIGNS.values() for label, case in d.test_configurations.items()}
FIXED = ("r2d", "vsn")  # exported for one T: parameters or groups of channels depend on it
BLIND = tuple(name for name, design in DESIGNS.items() if design.order_blind)


def small_of(design: str, **options: object) -> VideoModel:
    backbone, fixed = SMALL[design]
    return small(design.split()[0], backbone=backbone, **fixed, **options)


def test_every_design_has_a_smallest_configuration():
    assert {case for case in SMALL if " " not in case} == set(DESIGNS)


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_shapes_for_every_supported_number_of_frames(design):
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
    # a design that depends on T names it in its error
    assert all(str(frames) in message for frames, message in refused.items())


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_clips_in_a_batch_are_independent(design):
    model = small_of(design)
    batch = clips(batch=3)
    one_by_one = torch.cat([model(batch[i : i + 1]) for i in range(3)])
    assert_close(model(batch), one_by_one)
    assert (one_by_one[0] - one_by_one[1]).abs().max() > 1e-3 * one_by_one.abs().max()
    assert_close(model(batch.contiguous(memory_format=torch.channels_last_3d)), one_by_one)


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_scores_depend_on_the_order_of_frames_unless_the_design_is_order_blind(design):
    model = small_of(design)
    scores, shuffled = model(clips()), model(clips()[:, :, [2, 0, 3, 1]])
    if design in BLIND:
        assert_close(shuffled, scores)
    else:
        assert (shuffled - scores).abs().max() > 0.01 * scores.abs().max()


@pytest.mark.parametrize("design", sorted(SMALL))
def test_every_parameter_has_a_gradient_in_bfloat16(design):
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
def test_a_checkpoint_restores_the_model(design, tmp_path):
    model = small_of(design)
    model.classes = ["a", "b", "c"]
    save_checkpoint(model, tmp_path)
    loaded = load(tmp_path)
    assert torch.equal(loaded(clips()), model(clips()))
    assert (loaded.options, loaded.plugged, loaded.preprocess) == (model.options, model.plugged, model.preprocess)


@pytest.mark.parametrize("design", sorted(SMALL))
def test_gradient_checkpointing_gives_the_same_gradients(design):
    model = small_of(design)
    plain = gradients(model, clips())
    assert len(plain) == len(list(model.parameters()))
    model.set_grad_checkpointing()
    for a, b in zip(gradients(model, clips()), plain, strict=True):
        assert_close(a, b)


@pytest.mark.parametrize("design", sorted(SMALL))
@torch.no_grad()
def test_export_with_any_batch_size_and_number_of_frames(design):
    model = small_of(design)
    fixed = design.split()[0] in FIXED
    free = {0: torch.export.Dim("batch", min=1, max=16)}
    if not fixed:
        # after temporal strides of 8, 9 frames become 2 positions; export would treat a size of 1 as a constant
        free[2] = torch.export.Dim("frames", min=9, max=64)
    example = clips(4 if fixed else 16)
    program = torch.export.export(model, (example,), dynamic_shapes={"clip": free}).module()
    for frames in (4,) if fixed else (9, 12):
        assert_close(program(clips(frames, batch=3)), model(clips(frames, batch=3)))


CAUSAL = [d for d in sorted(SMALL) if DESIGNS[d.split()[0]].has_causal_form and d != "tsm non_local"]


@pytest.mark.parametrize("design", CAUSAL)
@torch.no_grad()
def test_frame_by_frame_equals_the_whole_clip(design):
    model = small_of(design, causal=True)
    frames = model.step_frames
    clip = clips(5 * frames)
    state = model.init_state(2, 32)
    seen = []
    for part in clip.split(frames, 2):
        logits, state = model.step(part, state)
        seen.append(logits)
    assert_close(seen[-1], model(clip))
    # after three steps the logits are those of the frames so far, so no future frame was used
    assert_close(seen[2], model(clip[:, :, : 3 * frames]))


@pytest.mark.parametrize("name", list_models())
def test_every_listed_model_can_be_built(name):
    with torch.device("meta"):
        model = create_model(name, num_classes=5)
    assert model.head.fc.out_features == 5
