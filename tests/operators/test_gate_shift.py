"""GSM against hand-computed values, the released code's formula, and a 3D convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from bare_operators import clips, last, random_gate, rows, run, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from spatempo.operators.base import Reach
from spatempo.operators.context import ForwardContext
from spatempo.operators.gate_shift import GateShift, gate_kernels, gate_shift, gate_values, shuffle_halves

# three frames with four channels and one pixel: tens digit = frame, units digit = channel
CLIP = torch.tensor([[10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33]], dtype=torch.float32).view(1, 3, 4, 1, 1)


def gates(*values: tuple[float, float]) -> torch.Tensor:
    """Gates of the first and the second half, one pair per frame."""
    return torch.tensor(values).view(1, len(values), 2, 1, 1)


# --- shift and gate, by hand -----------------------------------------------------------------------------------------


def test_first_half_receives_from_the_next_frame_and_second_half_from_the_previous_frame():
    out = gate_shift(CLIP, gates((0.5, 0), (1, -1), (0.1, 0.5)))
    # frame 0, channel 0: half of 10 stays, all of 20 is added; frame 2, channel 2: half of 32 stays, -22 is added
    expected = [[5 + 20, 5.5 + 21, 12, 13], [3, 3.1, 2 * 22, 2 * 23], [27, 27.9, 16 - 22, 16.5 - 23]]
    torch.testing.assert_close(torch.tensor(rows(out)), torch.tensor(expected))


def test_causal_both_halves_receive_from_the_previous_frame():
    out = gate_shift(CLIP, gates((0.5, 0), (1, -1), (0.1, 0.5)), causal=True)
    expected = [[5, 5.5, 12, 13], [5, 5.5, 2 * 22, 2 * 23], [27 + 20, 27.9 + 21, 16 - 22, 16.5 - 23]]
    torch.testing.assert_close(torch.tensor(rows(out)), torch.tensor(expected))


def test_a_gate_of_one_shifts_every_channel():
    assert rows(gate_shift(CLIP, torch.ones(1, 3, 2, 1, 1))) == [[20, 21, 0, 0], [30, 31, 12, 13], [0, 0, 22, 23]]


def test_gradient_by_hand():
    clip, gate = CLIP.clone().requires_grad_(), gates((0.5, 0), (1, -1), (0.1, 0.5)).requires_grad_()
    gate_shift(clip, gate)[0, 1].sum().backward()  # the middle frame
    assert clip.grad is not None
    assert gate.grad is not None
    # z[1] contains (1 - gate) of frame 1, and gate times a neighbour: the next frame (half 1) or the previous (half 2)
    torch.testing.assert_close(
        torch.tensor(rows(clip.grad)), torch.tensor([[0, 0, 0.0, 0], [0, 0, 2, 2], [0.1, 0.1, 0, 0]])
    )
    assert gate.grad.flatten().tolist() == [0, 12 + 13, -20 - 21, -22 - 23, 30 + 31, 0]


def test_gate_by_hand():
    """With one pixel only the kernel centres matter. Half 1 sees channel 0, half 2 channel 1."""
    weight = torch.full((2, 1, 3, 3, 3), 9.0)  # off-centre values do not reach a single pixel
    weight[:, 0, :, 1, 1] = torch.tensor([[0.1, 0.2, 0.3], [-0.1, 0, 0.4]])
    frames = torch.tensor([[1, 2], [3, 4.0]]).view(2, 2, 1, 1)
    tap_outputs = gate_kernels(frames, weight).unflatten(0, (1, 2))
    torch.testing.assert_close(tap_outputs[0, 0].flatten(), torch.tensor([0.1, 0.2, 0.3, -0.2, 0, 0.8]))
    both = F.pad(tap_outputs, (0, 0, 0, 0, 0, 0, 1, 1))
    expected = [[0.2 + 0.9 + 5, 1.6 - 1], [0.1 + 0.6 + 5, -0.2 + 0 - 1]]
    torch.testing.assert_close(gate_values(both, torch.tensor([5, -1.0]))[0, :, :, 0, 0], torch.tensor(expected).tanh())
    before = F.pad(tap_outputs, (0, 0, 0, 0, 0, 0, 2, 0))
    expected = [[0.3 + 5, 0.8 - 1], [0.2 + 0.9 + 5, 0 + 1.6 - 1]]
    torch.testing.assert_close(
        gate_values(before, torch.tensor([5, -1.0]))[0, :, :, 0, 0], torch.tensor(expected).tanh()
    )


def test_shuffle_by_hand():
    x = torch.arange(16.0).view(1, 1, 16, 1, 1)
    assert shuffle_halves(x).flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


# --- against another implementation of the formula -------------------------------------------------------------------


def by_formula(module: GateShift, clip: torch.Tensor) -> torch.Tensor:
    """The definition with a 3D batch norm, a 3D convolution and assigned slices, on ``[B, T, C, H, W]``."""
    x, rest = clip[:, :, : module.channels].transpose(1, 2), clip[:, :, module.channels :]
    bn = module.bn
    normed = F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, bn.training).relu()
    padded = F.pad(normed, (1, 1, 1, 1, 2, 0) if module.causal else (1, 1, 1, 1, 1, 1))
    gate = F.conv3d(padded, module.conv3D.weight, module.conv3D.bias, groups=2).tanh()
    half = module.channels // 2
    z = torch.empty_like(x)
    for k in (0, 1):
        part = slice(k * half, (k + 1) * half)
        y = gate[:, k : k + 1] * x[:, part]
        z[:, part] = x[:, part] - y
        if k == 0 and not module.causal:
            z[:, part, :-1] += y[:, :, 1:]
        else:
            z[:, part, 1:] += y[:, :, :-1]
    return torch.cat([z.transpose(1, 2), rest], 2)


@settings(max_examples=60)
@given(
    frames=st.integers(1, 6),
    halves=st.integers(1, 4),
    rest=st.integers(0, 3),
    causal=st.booleans(),
    training=st.booleans(),
    channels_last=st.booleans(),
)
def test_equals_the_formula_in_both_memory_layouts(frames, halves, rest, causal, training, channels_last):
    module = random_gate(2 * halves, causal=causal).train(training)
    clip = clips(frames, 2 * halves + rest)
    clip = last(clip) if channels_last else clip
    with torch.no_grad():
        expected = by_formula(module, clip)
        out = run(module, clip)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    assert (out.permute(0, 1, 3, 4, 2) if channels_last else out).is_contiguous()
    assert frames == 1 or (run(module, clip.flip(1)).flip(1) - out).abs().max() > 1e-3


def test_gradients_equal_those_of_the_formula():
    module = random_gate(4).train()
    got, expected = [], []
    for function, gradients in ((run, got), (by_formula, expected)):
        clip = clips(4, 6).requires_grad_()
        module.zero_grad()
        function(module, clip).square().sum().backward()
        gradients += [clip.grad, *(p.grad.clone() for p in module.parameters() if p.grad is not None)]
    assert len(got) == 5
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_shuffle_only_reorders_the_output_channels():
    plain, shuffled = random_gate(8), random_gate(8, shuffle=True)
    clip = clips(3, 9)
    expected = run(plain, clip)
    expected = torch.cat([expected[:, :, [0, 2, 1, 3, 4, 6, 5, 7]], clip[:, :, 8:]], 2)
    assert torch.equal(run(shuffled, clip), expected)


# --- properties ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_starts_as_the_identity_and_gets_a_gradient(causal, channels_last):
    module = GateShift(ForwardContext(), 4, causal=causal).train()
    clip = last(clips(4, 6)) if channels_last else clips(4, 6)
    out = run(module, clip)
    assert torch.equal(out, clip)
    out[:, 1:].square().sum().backward()
    assert module.conv3D.weight.grad is not None
    assert module.conv3D.weight.grad.abs().max() > 0.1


@pytest.mark.parametrize("causal", [False, True])
def test_temporal_reach_equals_the_gradient(causal):
    module = random_gate(4, causal=causal).double()
    clip = clips(11, 4, 1).double().requires_grad_()
    run(module, clip)[0, 5].square().sum().backward()
    assert clip.grad is not None
    seen = [t for t in range(11) if clip.grad[0, t].abs().max() > 0]
    past, future = module.reach
    assert module.reach == (Reach(3, 0) if causal else Reach(2, 2))
    assert seen == list(range(5 - past, 5 + future + 1))


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 3), min_size=1, max_size=5),
    channels=st.integers(4, 6),
    shuffle=st.booleans(),
    channels_last=st.booleans(),
)
@torch.no_grad()
def test_steps_of_any_length_equal_the_clip(lengths, channels, shuffle, channels_last):
    module = random_gate(4, causal=True, shuffle=shuffle)
    clip = clips(sum(lengths), channels)
    clip = last(clip) if channels_last else clip
    torch.testing.assert_close(steps(module, clip, *lengths), run(module, clip), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_clips_in_a_batch_are_independent():
    module, batch = random_gate(4), clips(4, 4, 3)
    single = torch.cat([run(module, batch[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(run(module, batch), single)


def test_parameter_and_mac_counts():
    from torch.utils.flop_counter import FlopCounterMode

    module = random_gate(8)
    assert sum(p.numel() for p in module.parameters()) == 29 * 8 + 2
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(module, clips(5, 8, 1))
    assert counter.get_total_flops() // 2 == 27 * 8 * 5 * 3 * 4
    with (
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):  # same count as for a 3D convolution with two groups
        module.conv3D(clips(5, 8, 1).transpose(1, 2))
    assert counter.get_total_flops() // 2 == 27 * 8 * 5 * 3 * 4


@pytest.mark.parametrize(("channels", "shuffle"), [(0, False), (3, False), (6, True)])
def test_invalid_channel_counts_are_rejected(channels, shuffle):
    with pytest.raises(ValueError, match=f"got {channels}"):
        GateShift(ForwardContext(), channels, shuffle=shuffle)


def test_output_stays_bfloat16():
    module = random_gate(4, causal=True).bfloat16()
    clip = clips(3, 6).bfloat16()
    assert run(module, clip).dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert run(random_gate(4), clip).dtype == torch.bfloat16
