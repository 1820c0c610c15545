"""The video shuffle against hand-computed values."""

from __future__ import annotations

import pytest
import torch
from bare_operators import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from spatempo.errors import SpatempoError
from spatempo.operators.context import ForwardContext
from spatempo.operators.shuffle import VideoShuffle, video_shuffle

# three frames with six channels and one pixel: tens digit = frame, units digit = channel
CLIP = torch.tensor([[10, 11, 12, 13, 14, 15], [20, 21, 22, 23, 24, 25], [30, 31, 32, 33, 34, 35.0]]).view(
    1, 3, 6, 1, 1
)


def test_output_frame_i_is_group_i_of_every_frame_in_temporal_order():
    assert rows(video_shuffle(CLIP)) == [
        [10, 11, 20, 21, 30, 31],
        [12, 13, 22, 23, 32, 33],
        [14, 15, 24, 25, 34, 35],
    ]


def test_gradient_is_shuffled_back():
    clip = CLIP.clone().requires_grad_()
    grad = torch.zeros_like(CLIP)
    grad[0, 0, 4] = 7  # group of frame 2 in frame 0, first channel: comes from frame 2, channel 0
    grad[0, 2, 1] = 5  # group of frame 0 in frame 2, second channel: comes from frame 0, channel 5
    video_shuffle(clip).backward(grad)
    assert clip.grad is not None
    expected = torch.zeros_like(CLIP)
    expected[0, 2, 0], expected[0, 0, 5] = 7, 5
    assert torch.equal(clip.grad, expected)


def test_one_frame_is_unchanged():
    assert torch.equal(video_shuffle(CLIP[:, :1]), CLIP[:, :1])


@settings(max_examples=60)
@given(batch=st.integers(1, 3), frames=st.integers(1, 6), width=st.integers(1, 4), last=st.booleans())
def test_is_its_own_inverse_and_keeps_the_memory_layout(batch, frames, width, last):
    x = torch.randn(batch, frames, frames * width, 2, 3)
    if last:
        x = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    out = video_shuffle(x)
    assert torch.equal(video_shuffle(out), x)
    expected = torch.empty_like(x)
    for b in range(batch):
        for i in range(frames):
            for j in range(frames):
                expected[b, i, j * width : (j + 1) * width] = x[b, j, i * width : (i + 1) * width]
    assert torch.equal(out, expected)
    if last and frames * width > 1:
        assert out.permute(0, 1, 3, 4, 2).is_contiguous()


def test_error_names_both_numbers_if_t_does_not_divide_c():
    with pytest.raises(SpatempoError, match=r"T = 5 does not divide C = 64") as error:
        video_shuffle(torch.zeros(1, 5, 64, 1, 1))
    assert "\n" not in str(error.value)


def test_module_works_on_folded_frames_and_has_no_parameters():
    context = ForwardContext()
    shuffle = VideoShuffle(context)
    context.open(3)
    out = shuffle(torch.cat([CLIP[0], 100 + CLIP[0]]))
    context.close()
    assert torch.equal(out, torch.cat([video_shuffle(CLIP)[0], 100 + video_shuffle(CLIP)[0]]))
    assert shuffle.reach is None
    assert not shuffle.state_dict()


def test_has_no_causal_form():
    context = ForwardContext()
    context.open_step(1, None)
    with pytest.raises(NotImplementedError, match="no causal form"):
        VideoShuffle(context)(torch.zeros(1, 4, 1, 1))
