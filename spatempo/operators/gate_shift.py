"""Gate-Shift Module, GSM (Sudhakaran, Escalera, Lanz, "Gate-Shift Networks for Video Action Recognition", CVPR 2020).

The channels are cut into two halves. A gate in -1 .. 1 for each half, frame and pixel says which part of the half moves
to a neighbouring frame: of the first half it comes from the next frame, of the second from the previous one; the part
that does not move stays::

    gate[t]  =  tanh( conv3x3x3( relu( batch_norm(x) ) ) )                  one map for each half
    y[t]     =  gate[t] * x[t]                                              what moves
    z[t]     =  (x[t] - y[t])  +  y[t+1] in the first half, y[t-1] in the second

Frames beyond the clip are zeros. A gate of 0 everywhere is the 2D network, and the gate's convolution starts at 0: the
module learns from z's derivative, ``y[t+-1] - y[t]``. A gate of 1 is a temporal shift of every channel. The paper's
equation leaves out batch norm and ReLU before the gate's convolution; the released code has them, and so has this file.
The direction belongs to the half: the gate's sign does not choose it.

Shapes: clips ``[B, T, C, H, W]`` in and out. Reach: 2 frames either way, one by the shift and one more by the gate of
the frame that is shifted in. Cost, for the C channels that are gated: 29C + 2 parameters, 27C multiply-accumulates a
pixel.

Causal form (ours; the paper has none): both halves take what moves from the previous frame, and the gate's convolution
looks at frames t-2, t-1 and t, so that frame t sees t-3 .. t. Its state is what moved out of the last frame,
``[B, C, H, W]``, and the answers of the gate's kernels on the last two, ``[B, 2, 6, H, W]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spatempo.errors import OptionError
from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.context import ForwardContext, State
from spatempo.operators.shift import temporal_shift, temporal_shift_step
from spatempo.operators.watch import parts_of


def gate_shift(x: Tensor, gate: Tensor, *, causal: bool = False) -> Tensor:
    """Moves a part of every frame to its neighbours.

    Args:
        x: clips, ``[B, T, C, H, W]``, C even.
        gate: which part of each half of the channels moves, ``[B, T, 2, H, W]``.
        causal: both halves move from the past.

    Returns:
        ``[B, T, C, H, W]``, in the memory layout of ``x``.
    """
    moving = gated(x, gate)
    return x - moving + shifted(moving, causal=causal)


def gated(x: Tensor, gate: Tensor) -> Tensor:
    """The part that moves, ``[B, T, C, H, W]``: each half of the channels times its own gate ``[B, T, 2, H, W]``."""
    return (x.unflatten(2, (2, -1)) * gate.unsqueeze(3)).flatten(2, 3)


def shifted(moving: Tensor, *, causal: bool = False) -> Tensor:
    """First half from the next frame, second from the previous one; causal: both from the previous one."""
    return temporal_shift(moving, 1, causal=True) if causal else temporal_shift(moving, 2)


def gate_kernels(frames: Tensor, weight: Tensor) -> Tensor:
    """What each of the gates' three temporal taps makes of each frame.

    A convolution in space and time is a sum of convolutions in space, one for each temporal tap. Written so, frames
    stay where they are in memory (more than twice as fast on a CPU as ``conv3d`` with two groups), and a stream need
    not keep its maps.

    Args:
        frames: ``[B*T, C, H, W]``.
        weight: of the two gates, ``[2, C / 2, 3, 3, 3]``, each sees its own half.

    Returns:
        ``[B*T, 6, H, W]``: for each half its taps for the frame before, the same one and the one after.
    """
    taps = weight.transpose(1, 2).flatten(0, 1)  # [2 * 3, C / 2, 3, 3]
    return F.conv2d(frames, taps, padding=1, groups=2)


def gate_values(answers: Tensor, bias: Tensor) -> Tensor:
    """Adds up what :func:`gate_kernels` made of three frames in a row.

    Args:
        answers: ``[B, T + 2, 6, H, W]``: two frames more than there are gates. One before and one after the clip for a
            gate that looks both ways, two before it for a causal one.
        bias: of the two gates, ``[2]``.

    Returns:
        The gates, ``[B, T, 2, H, W]``, in -1 .. 1.
    """
    taps = answers.unflatten(2, (2, 3))
    frames = answers.shape[1] - 2
    total = taps[:, :frames, :, 0] + taps[:, 1 : frames + 1, :, 1] + taps[:, 2:, :, 2]
    return torch.tanh(total + bias.to(total.dtype)[:, None, None])


def frames_around(x: Tensor, *, causal: bool) -> Tensor:
    """A frame of zeros on either side, or two before (causal): what three frames in a row are added up over.

    Args:
        x: ``[B, T, ...]``.
        causal: look at the past only.

    Returns:
        ``[B, T + 2, ...]``.
    """
    return F.pad(x, (*(0, 0) * (x.ndim - 2), *((2, 0) if causal else (1, 1))))


def frames_before(x: Tensor, past: Tensor | None) -> Tensor:
    """The same for the next frames of a stream: the two before them, ``[B, 2, ...]``, at first zeros."""
    return frames_around(x, causal=True) if past is None else torch.cat([past, x], 1)


def shuffle_halves(x: Tensor) -> Tensor:
    """Gives a half's n channels the order 0, n/2, 1, n/2 + 1, 2, ...

    The released code ends so and its checkpoints need it; its author calls it a regulariser to be left out of new
    training. It stands between a convolution and its batch norm, so with it no image network stays what it was.

    Args:
        x: ``[B, T, C, H, W]``, C a multiple of 4.
    """
    return x.unflatten(2, (2, 2, -1)).transpose(3, 4).flatten(2, 4)


class GateShift(TemporalOperator):
    """GSM on the first ``channels`` channels; any others pass by.

    The parameters have the names of the released code, ``bn`` and ``conv3D``.

    Args:
        context: the video model's forward context.
        channels: how many are gated, an even number, with ``shuffle`` a multiple of 4.
        shuffle: the released code's channel shuffle.
        causal: look at the past only.
    """

    state_names = ("gated", "answers")

    def __init__(self, context: ForwardContext, channels: int, *, shuffle: bool = False, causal: bool = False) -> None:
        super().__init__(context, causal=causal)
        unit = 4 if shuffle else 2
        if channels < unit or channels % unit:
            raise OptionError(f"the number of gated channels must be a multiple of {unit}, got {channels}")
        self.channels = channels
        self.shuffle = shuffle
        self.bn = nn.BatchNorm2d(channels)  # of a clip's frames: the statistics are those of a 3D one
        self.conv3D = nn.Conv3d(channels, 2, 3, padding=1, groups=2)
        nn.init.zeros_(self.conv3D.weight)
        nn.init.zeros_(self.bias)
        self.gates = nn.Identity()  # the gates pass here, [B, T, 2, H, W], so that they can be watched

    @property
    def bias(self) -> Tensor:
        assert self.conv3D.bias is not None
        return self.conv3D.bias

    @property
    def reach(self) -> Reach:
        return Reach(3, 0) if self.causal else Reach(2, 2)

    def mix(self, clip: Tensor) -> Tensor:
        x, rest = self._split(clip)
        answers = frames_around(self._answers(x), causal=self.causal)
        moving = gated(x, self.gates(gate_values(answers, self.bias)))
        return self._join(self.fuse(x - moving, shifted(moving, causal=self.causal)), rest)

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        x, rest = self._split(clip)
        answers = frames_before(self._answers(x), None if past is None else past[1])
        moving = gated(x, self.gates(gate_values(answers, self.bias)))
        moved_in, last = temporal_shift_step(moving, None if past is None else past[0], 1)
        fused, more = self.fuse_step(x - moving, moved_in, None if past is None else past[2:])
        return self._join(fused, rest), (last, answers[:, -2:], *more)

    def fuse(self, stays: Tensor, moved_in: Tensor) -> Tensor:
        """What stayed of a frame and what came into it, ``[B, T, C, H, W]`` each, as one."""
        return stays + moved_in

    def fuse_step(self, stays: Tensor, moved_in: Tensor, past: State | None) -> tuple[Tensor, State]:
        """The same for the next frames, with the state that it needs itself."""
        return stays + moved_in, ()

    def _answers(self, x: Tensor) -> Tensor:
        frames = F.relu(self.bn(x.flatten(0, 1)))
        return gate_kernels(frames, self.conv3D.weight).unflatten(0, x.shape[:2])

    def _split(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        gated_part, rest = clip.split([self.channels, clip.shape[2] - self.channels], 2)
        return gated_part, rest

    def _join(self, x: Tensor, rest: Tensor) -> Tensor:
        x = shuffle_halves(x) if self.shuffle else x
        if rest.shape[2] == 0:
            return x
        c = -1 if rest.stride(2) == 1 else 2  # where the channels lie in memory, so that the layout stays
        return torch.cat([x.movedim(2, c), rest.movedim(2, c)], c).movedim(c, 2)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, shuffle={self.shuffle}, causal={self.causal}"


def gate_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Where the gates ``[B, T, 2, H, W]`` of each gated shift pass, GSM's and GSF's, by its name; for ``watch``."""
    return parts_of(model, GateShift, "gates")
