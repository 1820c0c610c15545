"""GSF against hand-computed values and the released code's formula."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from bare_operators import clips, last, random_gate, run, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from spatempo.operators.base import Reach
from spatempo.operators.context import ForwardContext
from spatempo.operators.gate_shift_fuse import GateShiftFuse, fusion_weights


def test_weights_by_hand():
    """Two frames with two channels, one per half, so only the centre of the channel axis of the kernels matters."""
    received, residual = torch.tensor([[1, 2], [3, 4.0]]), torch.tensor([[10, 20], [30, 40.0]])  # [T, C]
    means = F.pad(torch.stack([received, residual], 1)[None], (0, 0, 0, 0, 1, 1))
    weight = torch.full((2, 2, 3, 3), 9.0)  # half, (received, residual), channels, frames
    weight[0, :, 1] = torch.tensor([[0.1, 0.2, 0.3], [0, 0.01, 0]])
    weight[1, :, 1] = torch.tensor([[0, 1, 0], [0.01, 0, 0.02]])
    w = fusion_weights(means, weight, torch.tensor([1, -1.0]))
    expected = [
        [0.2 * 1 + 0.3 * 3 + 0.01 * 10 + 1, 2 + 0.02 * 40 - 1],
        [0.1 + 0.2 * 3 + 0.01 * 30 + 1, 4 + 0.01 * 20 - 1],
    ]
    torch.testing.assert_close(w[0], torch.tensor(expected).sigmoid())


def test_weights_depend_on_neighbouring_channels_of_the_same_half_only():
    means = torch.zeros(1, 3, 2, 8)
    means[0, 1, 0, 3] = 1  # received part of the last channel of the first half
    weight = torch.zeros(2, 2, 3, 3)
    weight[:, 0, :, 1] = torch.tensor([1, 2, 4.0])
    w = fusion_weights(means, weight, torch.zeros(2))[0, 0].logit()
    torch.testing.assert_close(w, torch.tensor([0, 0, 4, 2, 0, 0, 0, 0.0]))


def by_formula(module: GateShiftFuse, clip: torch.Tensor) -> torch.Tensor:
    """The steps of the released code on ``[B, C, T, H, W]``, with slice assignment."""
    x, rest = clip[:, :, : module.channels].transpose(1, 2), clip[:, :, module.channels :]
    bn = module.bn
    normed = F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, bn.training).relu()
    padded = F.pad(normed, (1, 1, 1, 1, 2, 0) if module.causal else (1, 1, 1, 1, 1, 1))
    gate = F.conv3d(padded, module.conv3D.weight, module.conv3D.bias, groups=2).tanh()
    halves = []
    for k, conv in enumerate((module.channel_conv1, module.channel_conv2)):
        part = x.chunk(2, 1)[k]
        y, moved = gate[:, k : k + 1] * part, torch.zeros_like(part)
        r = part - y
        if k == 0 and not module.causal:
            moved[:, :, :-1] = y[:, :, 1:]
        else:
            moved[:, :, 1:] = y[:, :, :-1]
        plane = torch.stack([moved.mean((3, 4)), r.mean((3, 4))], 1)  # [B, 2, C / 2, T]
        plane = F.pad(plane, (2, 0, 1, 1) if module.causal else (1, 1, 1, 1))
        w = torch.sigmoid(F.conv2d(plane, conv.weight, conv.bias))[:, 0, :, :, None, None]
        halves.append(w * moved + (1 - w) * r)
    return torch.cat([torch.cat(halves, 1).transpose(1, 2), rest], 2)


@settings(max_examples=40)
@given(
    frames=st.integers(1, 6),
    halves=st.integers(1, 4),
    rest=st.integers(0, 3),
    causal=st.booleans(),
    training=st.booleans(),
    channels_last=st.booleans(),
)
def test_equals_the_formula_in_both_memory_layouts(frames, halves, rest, causal, training, channels_last):
    module = random_gate(2 * halves, GateShiftFuse, causal=causal).train(training)
    clip = clips(frames, 2 * halves + rest)
    clip = last(clip) if channels_last else clip
    with torch.no_grad():
        expected = by_formula(module, clip)
        out = run(module, clip)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    assert (out.permute(0, 1, 3, 4, 2) if channels_last else out).is_contiguous()
    assert frames == 1 or (run(module, clip.flip(1)).flip(1) - out).abs().max() > 1e-3


def test_gradients_equal_those_of_the_formula():
    module = random_gate(8, GateShiftFuse).train()
    got, expected = [], []
    for function, gradients in ((run, got), (by_formula, expected)):
        clip = clips(4, 9).requires_grad_()
        module.zero_grad()
        function(module, clip).square().sum().backward()
        gradients += [clip.grad, *(p.grad.clone() for p in module.parameters() if p.grad is not None)]
    assert len(got) == 9
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
def test_temporal_reach_equals_the_gradient(causal):
    module = random_gate(4, GateShiftFuse, causal=causal).double()
    clip = clips(15, 4, 1).double().requires_grad_()
    run(module, clip)[0, 7].square().sum().backward()
    assert clip.grad is not None
    seen = [t for t in range(15) if clip.grad[0, t].abs().max() > 0]
    assert module.reach == (Reach(5, 0) if causal else Reach(3, 3))
    assert seen == list(range(7 - module.reach.past, 7 + module.reach.future + 1))


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(1, 3), min_size=1, max_size=5), channels=st.integers(4, 6), shuffle=st.booleans())
@torch.no_grad()
def test_steps_of_any_length_equal_the_clip(lengths, channels, shuffle):
    module = random_gate(4, GateShiftFuse, causal=True, shuffle=shuffle)
    clip = clips(sum(lengths), channels)
    torch.testing.assert_close(steps(module, clip, *lengths), run(module, clip), rtol=1e-5, atol=1e-6)


def test_parameter_count_is_the_published_one_and_weights_start_random():
    module = GateShiftFuse(ForwardContext(), 8)
    assert sum(p.numel() for p in module.parameters()) == 29 * 8 + 2 + 38
    assert module.conv3D.weight.detach().abs().max() > 0.01
