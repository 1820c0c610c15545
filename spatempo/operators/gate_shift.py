"""Gate-Shift Module, GSM (Sudhakaran, Escalera, Lanz, "Gate-Shift Networks for Video Action Recognition", CVPR 2020).

The channels are split into two halves. For each half, frame and pixel, a gate in -1 .. 1 selects the part that moves to
a neighbouring frame. The first half receives this part from the next frame, the second half from the previous frame.
The rest, the residual, stays::

    gate[t]  =  tanh( conv3x3x3( relu( batch_norm(x) ) ) )                  one map per half
    y[t]     =  gate[t] * x[t]                                              moving part
    z[t]     =  (x[t] - y[t])  +  y[t+1] in the first half, y[t-1] in the second

Frames outside the clip are zeros. With a gate of 0 everywhere z = x, and the convolution of the gate starts at 0. It
still learns, because the derivative of z with respect to the gate is not zero. A gate of 1 shifts every channel. The
equation in the paper omits batch norm and ReLU before the convolution; the released code has them, and so does this
file. The direction depends only on the half, not on the sign of the gate.

Shapes: clips ``[B, T, C, H, W]`` in and out. Temporal reach: 2 frames in each direction, one for the shift and one for
the gate of the shifted frame. Cost for C gated channels: 29C + 2 parameters, 27C multiply-accumulates per pixel.

Causal form (ours; the paper has none): both halves receive the moving part of the previous frame, and the convolution
of the gate uses frames t-2, t-1 and t, so frame t depends on t-3 .. t. State: the moving part of the last frame,
``[B, C, H, W]``, and the outputs of the temporal taps of the gate for the last two frames, ``[B, 2, 6, H, W]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spatempo.errors import OptionError
from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.context import ForwardContext, State
from spatempo.operators.shift import temporal_shift, temporal_shift_step
from spatempo.operators.watch import named_parts


def gate_shift(x: Tensor, gate: Tensor, *, causal: bool = False) -> Tensor:
    """Moves the gated part of every frame to a neighbouring frame.

    Args:
        x: clips, ``[B, T, C, H, W]``, C even.
        gate: gate of each half of the channels, ``[B, T, 2, H, W]``, in -1 .. 1.
        causal: both halves receive from the previous frame.

    Returns:
        ``[B, T, C, H, W]``, in the memory layout of ``x``.
    """
    moving = gated(x, gate)
    return x - moving + shifted(moving, causal=causal)


def gated(x: Tensor, gate: Tensor) -> Tensor:
    """The moving part, ``[B, T, C, H, W]``: each half of the channels times its gate, ``[B, T, 2, H, W]``."""
    return (x.unflatten(2, (2, -1)) * gate.unsqueeze(3)).flatten(2, 3)


def shifted(moving: Tensor, *, causal: bool = False) -> Tensor:
    """Shifts the first half from the next frame, the second half from the previous one (causal: both halves)."""
    return temporal_shift(moving, 1, causal=True) if causal else temporal_shift(moving, 2)


def gate_kernels(frames: Tensor, weight: Tensor) -> Tensor:
    """Applies each of the three temporal taps of both gates to every frame.

    A 3D convolution is a sum of 2D convolutions, one per temporal tap. In this form the frames keep their memory layout
    (more than twice as fast on a CPU as ``conv3d`` with two groups), and a stream does not store feature maps.

    Args:
        frames: ``[B*T, C, H, W]``.
        weight: kernels of the two gates, ``[2, C / 2, 3, 3, 3]``. Each gate sees its own half of the channels.

    Returns:
        ``[B*T, 6, H, W]``: per half, the outputs of the taps for t-1, t and t+1.
    """
    taps = weight.transpose(1, 2).flatten(0, 1)  # [2 * 3, C / 2, 3, 3]
    return F.conv2d(frames, taps, padding=1, groups=2)


def gate_values(tap_outputs: Tensor, bias: Tensor) -> Tensor:
    """Sums the tap outputs of three consecutive frames and applies tanh.

    Args:
        tap_outputs: outputs of :func:`gate_kernels`, ``[B, T + 2, 6, H, W]``. The two extra frames are one before and
            one after the clip, or two before it (causal).
        bias: biases of the two gates, ``[2]``.

    Returns:
        The gates, ``[B, T, 2, H, W]``, in -1 .. 1.
    """
    taps = tap_outputs.unflatten(2, (2, 3))
    frames = tap_outputs.shape[1] - 2
    total = taps[:, :frames, :, 0] + taps[:, 1 : frames + 1, :, 1] + taps[:, 2:, :, 2]
    return torch.tanh(total + bias.to(total.dtype)[:, None, None])


def pad_frames(x: Tensor, *, causal: bool) -> Tensor:
    """Pads clips with zero frames for a temporal window of three: one frame on each side, or two before (causal).

    Args:
        x: ``[B, T, ...]``.
        causal: use past frames only.

    Returns:
        ``[B, T + 2, ...]``.
    """
    return F.pad(x, (*(0, 0) * (x.ndim - 2), *((2, 0) if causal else (1, 1))))


def prepend_past(x: Tensor, past: Tensor | None) -> Tensor:
    """Prepends the two previous frames of a stream, ``[B, 2, ...]``; zeros at its start."""
    return pad_frames(x, causal=True) if past is None else torch.cat([past, x], 1)


def shuffle_halves(x: Tensor) -> Tensor:
    """Reorders the n channels of each half to 0, n/2, 1, n/2 + 1, 2, ...

    The module of the released code ends with this shuffle, and its checkpoints need it. The author calls it a
    regulariser that new training should omit. The next batch norm then gets other channels than in the image network,
    so a network with the shuffle does not start as the image network.

    Args:
        x: ``[B, T, C, H, W]``, C a multiple of 4.
    """
    return x.unflatten(2, (2, 2, -1)).transpose(3, 4).flatten(2, 4)


class GateShift(TemporalOperator):
    """GSM on the first ``channels`` channels. All other channels are unchanged.

    Parameter names are those of the released code, ``bn`` and ``conv3D``.

    Args:
        context: the video model's forward context.
        channels: number of gated channels: even, or a multiple of 4 with ``shuffle``.
        shuffle: apply the channel shuffle of the released code.
        causal: use past frames only.
    """

    state_names = ("gated", "answers")

    def __init__(self, context: ForwardContext, channels: int, *, shuffle: bool = False, causal: bool = False) -> None:
        super().__init__(context, causal=causal)
        unit = 4 if shuffle else 2
        if channels < unit or channels % unit:
            raise OptionError(f"the number of gated channels must be a multiple of {unit}, got {channels}")
        self.channels = channels
        self.shuffle = shuffle
        self.bn = nn.BatchNorm2d(channels)  # on folded frames: same statistics as BatchNorm3d on clips
        self.conv3D = nn.Conv3d(channels, 2, 3, padding=1, groups=2)
        nn.init.zeros_(self.conv3D.weight)
        nn.init.zeros_(self.bias)
        self.gates = nn.Identity()  # outputs the gates, [B, T, 2, H, W], for forward hooks

    @property
    def bias(self) -> Tensor:
        assert self.conv3D.bias is not None
        return self.conv3D.bias

    @property
    def reach(self) -> Reach:
        return Reach(3, 0) if self.causal else Reach(2, 2)

    def mix(self, clip: Tensor) -> Tensor:
        x, rest = self._split(clip)
        tap_outputs = pad_frames(self._tap_outputs(x), causal=self.causal)
        moving = gated(x, self.gates(gate_values(tap_outputs, self.bias)))
        return self._join(self.fuse(x - moving, shifted(moving, causal=self.causal)), rest)

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        x, rest = self._split(clip)
        tap_outputs = prepend_past(self._tap_outputs(x), None if past is None else past[1])
        moving = gated(x, self.gates(gate_values(tap_outputs, self.bias)))
        received, last = temporal_shift_step(moving, None if past is None else past[0], 1)
        fused, more = self.fuse_step(x - moving, received, None if past is None else past[2:])
        return self._join(fused, rest), (last, tap_outputs[:, -2:], *more)

    def fuse(self, residual: Tensor, received: Tensor) -> Tensor:
        """Combines the residual and the received part of every frame, ``[B, T, C, H, W]`` each."""
        return residual + received

    def fuse_step(self, residual: Tensor, received: Tensor, past: State | None) -> tuple[Tensor, State]:
        """Causal form of :meth:`fuse` for the next frames, with its own state."""
        return residual + received, ()

    def _tap_outputs(self, x: Tensor) -> Tensor:
        frames = F.relu(self.bn(x.flatten(0, 1)))
        return gate_kernels(frames, self.conv3D.weight).unflatten(0, x.shape[:2])

    def _split(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        gated_part, rest = clip.split([self.channels, clip.shape[2] - self.channels], 2)
        return gated_part, rest

    def _join(self, x: Tensor, rest: Tensor) -> Tensor:
        x = shuffle_halves(x) if self.shuffle else x
        if rest.shape[2] == 0:
            return x
        c = -1 if rest.stride(2) == 1 else 2  # position of the channels in memory, to keep the layout
        return torch.cat([x.movedim(2, c), rest.movedim(2, c)], c).movedim(c, 2)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, shuffle={self.shuffle}, causal={self.causal}"


def gate_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Layers that output the gates ``[B, T, 2, H, W]`` of each GSM and GSF module, by module name; for ``watch``."""
    return named_parts(model, GateShift, "gates")
