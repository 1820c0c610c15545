"""The two branches of STH: computed by hand, as one dense 3D kernel, and as a masked 3x3."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from bare_operators import rows, run
from hypothesis import given, settings
from hypothesis import strategies as st

from spatempo.operators.context import ForwardContext
from spatempo.operators.sth import kernels_from_image, sth_hybrid, sth_merge
from spatempo.operators.sth_conv import SthConv2d

# three frames with two channels and one pixel
CLIP = torch.tensor([[1, 10], [2, 20], [3, 30.0]]).view(1, 3, 2, 1, 1)


def centre(*values: float) -> torch.Tensor:
    """3x3 kernels of one input channel: the values in the centre, 9 elsewhere (which a single pixel never meets)."""
    kernels = torch.full((len(values), 1, 3, 3), 9.0)
    kernels[:, 0, 1, 1] = torch.tensor(values)
    return kernels


def test_hybrid_by_hand():
    """Filter 0: channel 0 is temporal and channel 1 spatial. Filter 1: the opposite."""
    temporal = torch.tensor([[[1, 10, 100]], [[100, 0, 1.0]]])
    o_s, o_t = sth_hybrid(CLIP, centre(2, 3), temporal)
    assert rows(o_s) == [[20, 3], [40, 6], [60, 9]]
    # 10*1 + 100*2, 1*1 + 10*2 + 100*3, 1*2 + 10*3  and  1*20, 100*10 + 1*30, 100*20
    assert rows(o_t) == [[210, 20], [321, 1030], [32, 2000]]


def test_hybrid_gradient_by_hand():
    clip = CLIP.clone().requires_grad_()
    spatial = centre(2, 3).requires_grad_()
    temporal = torch.tensor([[[1, 10, 100]], [[100, 0, 1.0]]], requires_grad=True)
    o_s, o_t = sth_hybrid(clip, spatial, temporal)
    (o_t[0, 1, 0] + 5 * o_s[0, 1, 0]).sum().backward()  # output of the first filter for the middle frame
    assert clip.grad is not None
    assert spatial.grad is not None
    assert temporal.grad is not None
    assert rows(clip.grad) == [[1, 0], [10, 5 * 2], [100, 0]]
    assert temporal.grad.tolist() == [[[1, 2, 3]], [[0, 0, 0]]]
    expected = torch.zeros(2, 1, 3, 3)
    expected[0, 0, 1, 1] = 5 * 20
    assert torch.equal(spatial.grad, expected)


def test_merge_by_hand():
    """p = 1/2: the first filter is temporal, the second spatial, both on all channels."""
    temporal = torch.tensor([[[1, 0, 0], [0, 0, 100.0]]])
    spatial = centre(2, 3).view(1, 2, 3, 3)
    o_s, o_t = sth_merge(CLIP, spatial, temporal)
    assert rows(o_s) == [[0, 32], [0, 64], [0, 96]]
    assert rows(o_t) == [[2000, 0], [3001, 0], [2, 0]]


def test_spatial_branch_is_not_temporal_and_temporal_branch_is_not_spatial():
    """An impulse spreads over 3x3 pixels of its own frame, and over one pixel of three frames."""
    clip = torch.zeros(1, 5, 2, 5, 5)
    clip[0, 2, :, 2, 2] = 1
    o_s, o_t = sth_hybrid(clip, torch.ones(2, 1, 3, 3), torch.ones(2, 1, 3))
    expected_s, expected_t = torch.zeros_like(clip), torch.zeros_like(clip)
    expected_s[:, 2, :, 1:4, 1:4] = 1
    expected_t[:, 1:4, :, 2, 2] = 1
    assert torch.equal(o_s, expected_s)
    assert torch.equal(o_t, expected_t)


def test_stride_selects_the_same_pixels_in_both_branches():
    clip = torch.arange(25.0).view(1, 1, 1, 5, 5).repeat(1, 1, 2, 1, 1)
    kernel = torch.zeros(2, 1, 3, 3)
    kernel[:, :, 1, 1] = 1
    o_s, o_t = sth_hybrid(clip, kernel, torch.tensor([[[0, 1.0, 0]]] * 2), stride=2)
    assert o_s[0, 0, 0].tolist() == [[0, 2, 4], [10, 12, 14], [20, 22, 24]]
    assert torch.equal(o_s, o_t)


def one_dense_kernel(spatial: torch.Tensor, temporal: torch.Tensor, form: str, groups: int) -> torch.Tensor:
    """Both branches as one 3x3x3 kernel ``[C_out, C_in, 3, 3, 3]``, filled value by value."""
    per_filter_t, per_filter_s = temporal.shape[1], spatial.shape[1]
    total_in = per_filter_t + per_filter_s if form == "hybrid" else per_filter_s
    total_out = spatial.shape[0] if form == "hybrid" else spatial.shape[0] + temporal.shape[0]
    dense = torch.zeros(total_out, total_in, 3, 3, 3, dtype=spatial.dtype)
    for o in range(total_out):
        if form == "merge":
            if o < temporal.shape[0]:
                dense[o, :, :, 1, 1] = temporal[o]
            else:
                dense[o, :, 1] = spatial[o - temporal.shape[0]]
            continue
        group, seen = o // (total_out // groups), 0
        for i in range(total_in):
            if i // (total_in // groups) == group:
                dense[o, i, :, 1, 1] = temporal[o, i % (total_in // groups)]
            else:
                dense[o, i, 1] = spatial[o, seen]
                seen += 1
    return dense


@settings(max_examples=60)
@given(
    form=st.sampled_from(["hybrid", "merge"]),
    groups=st.sampled_from([2, 3, 4, 8]),
    width_in=st.integers(1, 3),
    width_out=st.integers(1, 3),
    frames=st.integers(1, 5),
    side=st.integers(1, 6),
    stride=st.integers(1, 2),
    last=st.booleans(),
)
def test_equals_one_dense_3d_convolution_forward_and_backward(
    form, groups, width_in, width_out, frames, side, stride, last
):
    conv = SthConv2d(
        ForwardContext(),
        groups * width_in,
        groups * width_out,
        stride=stride,
        p=1 / groups,
        form=form,
        integration="sum",
    ).double()
    clip = torch.randn(2, frames, groups * width_in, side, side + 1, dtype=torch.float64)
    if last:
        clip = clip.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    clip.requires_grad_()
    out = run(conv, clip)
    dense = one_dense_kernel(conv.spatial_weight, conv.temporal_weight, form, groups)
    expected = F.conv3d(clip.transpose(1, 2), dense, stride=(1, stride, stride), padding=1).transpose(1, 2)
    torch.testing.assert_close(out, expected)
    grad = torch.randn_like(expected)
    leaves = (clip, conv.spatial_weight, conv.temporal_weight)
    for a, b in zip(torch.autograd.grad(out, leaves, grad), torch.autograd.grad(expected, leaves, grad), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("groups", [2, 4, 8])
@torch.no_grad()
def test_hybrid_equals_a_masked_3x3_plus_a_grouped_temporal_convolution(groups):
    """Another implementation: a dense 3x3 whose block diagonal is zero, with the 2D weights of from_image."""
    weight = torch.randn(16, 8, 3, 3)
    spatial, temporal = kernels_from_image(weight, groups, "hybrid", "shift")
    clip = torch.randn(2, 5, 8, 6, 6)
    o_s, o_t = sth_hybrid(clip, spatial, temporal)
    mask = 1 - torch.block_diag(*[torch.ones(16 // groups, 8 // groups)] * groups)
    expected_s = F.conv2d(clip.flatten(0, 1), weight * mask[:, :, None, None], padding=1).view_as(o_s)
    pixels = clip.permute(0, 3, 4, 2, 1).reshape(-1, 8, 5)  # [B*H*W, C, T]
    expected_t = F.conv1d(pixels, temporal, padding=1, groups=groups).view(2, 6, 6, 16, 5).permute(0, 4, 3, 1, 2)
    torch.testing.assert_close(o_s, expected_s)
    torch.testing.assert_close(o_t, expected_t)
    assert spatial.numel() + temporal.numel() == 16 * 8 * (9 * (1 - 1 / groups) + 3 / groups)
