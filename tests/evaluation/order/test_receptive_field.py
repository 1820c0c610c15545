"""The measured temporal receptive field equals the known one."""

from __future__ import annotations

import pytest
import torch
from networks import randomise

from spatempo.evaluation.order.receptive_field import influence, receptive_field
from spatempo.models.registry import create_model

FRAMES = 16


def measured(name: str, frames: int = FRAMES, **options: object) -> dict:
    model = create_model(name, num_classes=3, size=32, **options)
    randomise(model, size=32)
    draw = torch.Generator().manual_seed(1)
    clips = [torch.randn(1, 3, frames, 32, 32, generator=draw) for _ in range(3)]
    before = [p.grad for p in model.parameters()]
    field = receptive_field([influence(model, clip) for clip in clips]).to_json()
    assert before == [p.grad for p in model.parameters()]  # the model has no new gradients
    return {**field, "reach": model.reach}


def test_logits_of_an_order_blind_network_depend_on_one_frame():
    field = measured("tsn_smallresnet")
    assert (field["frames"], field["past"], field["future"], field["own"]) == (1, 0, 0, pytest.approx(1.0))
    torch.testing.assert_close(torch.tensor(field["fractions"]), torch.eye(FRAMES))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("design", ["tsm", "gsm"])
def test_shifts_reach_one_frame_per_block(design, causal):
    frames = {"tsm": 12, "gsm": 24}[design]  # larger than the reach: a middle frame depends on neither end
    field = measured(f"{design}_smallresnet", frames, causal=causal)
    reach = field["reach"]
    assert 1 + reach.past + reach.future < frames
    assert (field["past"], field["future"]) == (reach.past, reach.future)
    assert (reach.future == 0) == causal
    assert field["frames"] == 1 + reach.past + reach.future
    assert field["clip_frames"] == frames
    fraction = torch.tensor(field["fractions"])
    torch.testing.assert_close(fraction.sum(1), torch.ones(frames))
    assert field["own"] == pytest.approx(float(fraction.diagonal().mean()))


def test_channel_shuffle_reaches_the_whole_clip():
    field = measured("vsn_smallresnet", shift="off")
    assert field["reach"] is None
    assert (field["frames"], field["past"], field["future"]) == (FRAMES, FRAMES - 1, FRAMES - 1)


def test_network_with_temporal_stride_has_positions_instead_of_frames():
    field = measured("r3d_18", width=8)
    assert torch.tensor(field["fractions"]).shape == (2, FRAMES)
    assert (field["past"], field["future"], field["own"]) == (None, None, None)
    assert field["frames"] == FRAMES


def test_zero_gradients_give_an_empty_receptive_field():
    assert receptive_field([torch.zeros(4, 4)]).frames == 0
