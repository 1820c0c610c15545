"""GSM and GSF in time-major order, with the two gated halves and the other channels as separate tensors.

Per half x with gate g and the move d by one frame: ``z = x - x*g + d(x)*d(g)``. The gate is a convolution from the
half to three maps, one per temporal tap, whose frames a 1x1 convolution with weights 0 and 1 picks and sums. d moves x
and g, not their product, so that each is one pad. GSF weights both parts: ``z = r + w * (d(x)*d(g) - r)`` with
``r = x - x*g``, and w from a convolution over the plane of channels and frames of the means.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx

from spatempo.operators.gate_shift import GateShift
from spatempo.operators.gate_shift_fuse import GateShiftFuse
from spatempo.runtime.graph import aten, channels
from spatempo.runtime.rules.rule import Rule, Site
from spatempo.runtime.rules.shift import join, move


def gate_clip(site: Site) -> None:
    """Replaces the call of a :class:`~spatempo.operators.gate_shift.GateShift` or its GSF form on clips."""
    gate = site.operator
    assert isinstance(gate, GateShift)
    half, rest = gate.channels // 2, channels(site.x) - gate.channels
    sizes = [half, half, *([rest] if rest else [])]
    groups = site.streams.groups(site.x, sizes)
    directions = ["previous", "previous"] if gate.causal else ["next", "previous"]
    with site.graph.before(site.call):
        mixed = [_half(site, groups[h], h, direction) for h, direction in enumerate(directions)]
    join(site, site.call, mixed, groups[2:], sizes)


def _half(site: Site, x: fx.Node, half: int, direction: str) -> fx.Node:
    graph, call = site.graph, site.graph.call
    g = _gate(site, x, half)
    moving = call(aten.mul.Tensor, move(site, x, direction), move(site, g, direction))
    residual = call(aten.sub.Tensor, x, call(aten.mul.Tensor, x, g))
    if not isinstance(site.operator, GateShiftFuse):
        return call(aten.add.Tensor, residual, moving)
    w = _fusion(site, moving, residual, half)
    apart = graph.call(aten.sub.Tensor, moving, residual)
    return call(aten.add.Tensor, residual, call(aten.mul.Tensor, w, apart))


def _gate(site: Site, x: fx.Node, half: int) -> fx.Node:
    """The gate of one half, ``[T*B, 1, H, W]``, in -1 .. 1."""
    gate, call = site.operator, site.graph.call
    width = gate.channels // 2
    part = slice(half * width, (half + 1) * width)
    norm = gate.bn
    scale = (norm.running_var.double() + norm.eps).rsqrt() * norm.weight.detach().double()
    offset = norm.bias.detach().double() - norm.running_mean.double() * scale
    scaled = call(aten.mul.Tensor, x, _constant(site, "scale", scale[part].view(1, -1, 1, 1)))
    active = call(
        aten.relu.default, call(aten.add.Tensor, scaled, _constant(site, "offset", offset[part].view(1, -1, 1, 1)))
    )
    taps = gate.conv3D.weight.detach()[half].transpose(0, 1)  # [3, C / 2, 3, 3]: taps t-1, t, t+1
    maps = _conv(site, active, taps, None, 1)
    previous = move(site, maps, "previous")
    frames = (
        [move(site, previous, "previous"), previous, maps]
        if gate.causal
        else [previous, maps, move(site, maps, "next")]
    )
    pick = torch.zeros(1, 9, 1, 1)
    pick[0, [0, 4, 8]] = 1  # tap 0 of the first frame, tap 1 of the second, tap 2 of the third
    total = _conv(site, call(aten.cat.default, frames, 1), pick, gate.bias.detach()[half : half + 1], 0)
    return call(aten.tanh.default, total)


def _fusion(site: Site, received: fx.Node, residual: fx.Node, half: int) -> fx.Node:
    """The weight of the received part, ``[T*B, C / 2, 1, 1]``."""
    gate, call = site.operator, site.graph.call
    width = gate.channels // 2
    planes = []
    for maps in (received, residual):
        mean = call(aten.reshape.default, call(aten.mean.dim, maps, [2, 3]), [site.frames, site.clips, 1, width])
        planes.append(call(aten.permute.default, mean, [1, 2, 3, 0]))  # [B, 1, C / 2, T]
    plane = call(aten.cat.default, planes, 1)
    if gate.causal:
        plane = call(aten.constant_pad_nd.default, plane, [2, 0, 0, 0])
    conv = (gate.channel_conv1, gate.channel_conv2)[half]
    w = _conv(site, plane, conv.weight.detach(), conv.bias.detach(), [1, 0 if gate.causal else 1])
    flat = call(
        aten.reshape.default, call(aten.permute.default, call(aten.sigmoid.default, w), [3, 0, 2, 1]), [-1, width, 1, 1]
    )
    return flat


def _conv(site: Site, x: fx.Node, kernel: Tensor, bias: Tensor | None, padding: int | list[int]) -> fx.Node:
    weight = _constant(site, "gate", kernel)
    offset = None if bias is None else _constant(site, "gate_bias", bias)
    pads = padding if isinstance(padding, list) else [padding, padding]
    return site.graph.call(aten.conv2d.default, x, weight, offset, [1, 1], pads)


def _constant(site: Site, name: str, value: Tensor) -> fx.Node:
    return site.graph.add_constant(f"gsm_{name}", value.to(site.operator.conv3D.weight.dtype))


GATE = Rule(gate_clip, applies=lambda gate: not gate.shuffle, layouts=("frames",))
