"""The temporal shift against hand-computed values."""

from __future__ import annotations

import pytest
import torch
from bare_operators import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from spatempo.operators.context import ForwardContext
from spatempo.operators.shift import TemporalShift, temporal_shift, temporal_shift_step

# three frames with four channels and one pixel: tens digit = frame, units digit = channel
CLIP = torch.tensor([[10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33]], dtype=torch.float32).view(1, 3, 4, 1, 1)


def test_first_fold_comes_from_the_next_frame_and_second_fold_from_the_previous_frame():
    assert rows(temporal_shift(CLIP, 4)) == [[20, 0, 12, 13], [30, 11, 22, 23], [0, 21, 32, 33]]


def test_circulant_padding_uses_the_other_end_of_the_clip():
    assert rows(temporal_shift(CLIP, 4, padding="circulant")) == [[20, 31, 12, 13], [30, 11, 22, 23], [10, 21, 32, 33]]


def test_causal_moves_only_the_first_fold_from_the_previous_frame():
    assert rows(temporal_shift(CLIP, 4, causal=True)) == [[0, 11, 12, 13], [10, 21, 22, 23], [20, 31, 32, 33]]


def test_div_2_moves_every_channel():
    assert rows(temporal_shift(CLIP, 2)) == [[20, 21, 0, 0], [30, 31, 12, 13], [0, 0, 22, 23]]


def test_an_empty_fold_moves_nothing():
    assert temporal_shift(CLIP, 8) is CLIP


def test_a_clip_of_one_frame_is_shifted_with_zeros():
    assert rows(temporal_shift(CLIP[:, :1], 4)) == [[0, 0, 12, 13]]


def test_channels_outside_the_folds_stay():
    clip = torch.arange(2 * 11.0).view(1, 2, 11, 1, 1)
    out = temporal_shift(clip, 4)  # a fold is 2 of 11 channels
    assert torch.equal(out[:, :, 4:], clip[:, :, 4:])
    assert rows(out)[0][:4] == [11, 12, 0, 0]


def test_gradient_is_the_reverse_shift():
    clip = CLIP.clone().requires_grad_()
    grad = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12.0]]).view(1, 3, 4, 1, 1)
    temporal_shift(clip, 4).backward(grad)
    assert clip.grad is not None
    # channel 0 flows back to the next frame, channel 1 to the previous one; values shifted out get no gradient
    assert rows(clip.grad) == [[0, 6, 3, 4], [1, 10, 7, 8], [5, 0, 11, 12]]


@settings(max_examples=60)
@given(
    batch=st.integers(1, 3),
    frames=st.integers(1, 6),
    channels=st.integers(1, 17),
    div=st.integers(2, 16),
    causal=st.booleans(),
    circulant=st.booleans(),
)
def test_equals_slice_assignment_in_both_memory_layouts(batch, frames, channels, div, causal, circulant):
    """Compares with slice assignment, for contiguous and channels-last memory."""
    x = torch.randn(batch, frames, channels, 2, 3)
    fold, moves = channels // div, frames - 1
    expected = x.clone()
    first, second = slice(0, fold), slice(fold, 2 * fold)
    if causal:
        expected[:, 1:, first] = x[:, :moves, first]
        expected[:, 0, first] = x[:, -1, first] if circulant else 0
    else:
        expected[:, :moves, first] = x[:, 1:, first]
        expected[:, -1, first] = x[:, 0, first] if circulant else 0
        expected[:, 1:, second] = x[:, :moves, second]
        expected[:, 0, second] = x[:, -1, second] if circulant else 0
    padding = "circulant" if circulant else "zero"
    assert torch.equal(temporal_shift(x, div, causal=causal, padding=padding), expected)
    last = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    out = temporal_shift(last, div, causal=causal, padding=padding)
    assert torch.equal(out, expected)
    if channels > 1:
        assert out.stride() == last.stride()


@settings(max_examples=30)
@given(
    frames=st.integers(1, 7),
    cut=st.integers(0, 7),
    channels=st.integers(1, 9),
    div=st.integers(2, 9),
    last=st.booleans(),
)
def test_steps_of_any_length_equal_the_clip(frames, cut, channels, div, last):
    x = torch.randn(2, frames, channels, 3, 2)
    if last:
        x = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    past, parts = None, []
    for part in (x[:, :cut], x[:, cut:]):
        if part.shape[1]:
            out, past = temporal_shift_step(part, past, div)
            parts.append(out)
    assert torch.equal(torch.cat(parts, 1), temporal_shift(x, div, causal=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"div": 1}, "got 1"),
        ({"div": 2.5}, "got 2.5"),
        ({"padding": "mirror"}, "mirror"),
        ({"causal": True, "padding": "circulant"}, "circulant"),
    ],
)
def test_invalid_options_are_rejected(options, message):
    with pytest.raises(ValueError, match=message):
        TemporalShift(ForwardContext(), **options)


def test_an_operator_outside_its_model_raises():
    with pytest.raises(RuntimeError, match="outside its video model"):
        TemporalShift(ForwardContext())(torch.zeros(8, 8, 2, 2))


def test_a_second_concurrent_forward_pass_raises():
    context = ForwardContext()
    context.open(8)
    with pytest.raises(RuntimeError, match="already running a forward pass"):
        context.open(4)
    context.close()
    context.open(4)
    assert context.frames == 4
