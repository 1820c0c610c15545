"""STH as two 3D convolutions of clips: a dense 1x3x3 whose temporal blocks are zero, and a grouped 3x1x1.

In the hybrid form output group g reads input group g over time and the other groups over space. The spatial kernels
become one dense kernel with zeros at (g, g): it has a third more multiply-accumulates than needed, but no channels are
cut or joined. The following batch norm is part of both convolutions. With attention, ``O = a_S O_S + a_T O_T`` and
``a_S + a_T = 1``, so ``O = (O_S - O_T) a_S + O_T``, and a_S is the sigmoid of the layer's difference of the means.
"""

from __future__ import annotations

import operator

import torch
from torch import Tensor, fx

from spatempo.operators.sth_conv import SthConv2d
from spatempo.runtime.fold_norms import scale_and_offset
from spatempo.runtime.graph import aten
from spatempo.runtime.rules.rule import Rule, Site


def sth_clip(site: Site) -> None:
    """Replaces the call of an :class:`~spatempo.operators.sth_conv.SthConv2d`, and its batch norm if there is one."""
    sth = site.operator
    assert isinstance(sth, SthConv2d)
    scale, offset, end = _norm(site)
    if sth.attention is not None:
        scale = scale * sth.options.scale
    spatial, temporal = (kernel.double() * scale.view(-1, 1, 1, 1, 1)[: len(kernel)] for kernel in _kernels(sth))
    merge, attends = sth.options.form == "merge", sth.attention is not None
    with site.graph.before(site.call):
        x = site.clip_maps()
        if merge:
            first = len(temporal)
            no_bias = torch.zeros_like(offset)
            bias = no_bias if attends else offset
            s = _conv(site, x, spatial[first:], bias[first:], sth.stride, (0, 1, 1), 1)
            t = _conv(site, x, temporal, bias[:first], sth.stride, (1, 0, 0), 1)
            y = _attend_merged(site, s, t, scale, offset) if attends else site.graph.call(aten.cat.default, [t, s], 1)
        else:
            s = _conv(site, x, spatial, offset, sth.stride, (0, 1, 1), 1)
            t = _conv(site, x, temporal, offset if attends else None, sth.stride, (1, 0, 0), sth.options.groups)
            y = _attend(site, s, t, scale) if attends else site.graph.call(aten.add.Tensor, s, t)
        end.replace_all_uses_with(site.from_clip_maps(y))


def _attend(site: Site, s: fx.Node, t: fx.Node, scale: Tensor) -> fx.Node:
    """``(S - T) a_S + T``; both branches contain the batch norm's scale and offset."""
    difference = site.graph.call(aten.sub.Tensor, _mean(site, s), _mean(site, t))
    a = _weights(site, difference, scale)
    apart = site.graph.call(aten.mul.Tensor, site.graph.call(aten.sub.Tensor, s, t), a)
    return site.graph.call(aten.add.Tensor, apart, t)


def _attend_merged(site: Site, s: fx.Node, t: fx.Node, scale: Tensor, offset: Tensor) -> fx.Node:
    """``[a_T T, a_S S] + offset``; each branch is zero in the channels of the other."""
    graph = site.graph
    means = [graph.call(aten.neg.default, _mean(site, t)), _mean(site, s)]
    a = _weights(site, graph.call(aten.cat.default, means, 1), scale)
    first = site.operator.temporal_weight.shape[0]
    a_t = graph.call(aten.rsub.Scalar, graph.call(aten.slice.Tensor, a, 1, 0, first), 1)
    a_s = graph.call(aten.slice.Tensor, a, 1, first, 2**63 - 1)
    parts = [graph.call(aten.mul.Tensor, t, a_t), graph.call(aten.mul.Tensor, s, a_s)]
    shift = graph.add_constant("sth_offset", offset.to(site.operator.spatial_weight.dtype).view(1, -1, 1, 1, 1))
    return graph.call(aten.add.Tensor, graph.call(aten.cat.default, parts, 1), shift)


def _weights(site: Site, difference: fx.Node, scale: Tensor) -> fx.Node:
    """a_S ``[B, C, 1, 1, 1]`` from the difference of the scaled means, ``[B, C]``; the layer's bias cancels out."""
    fc = site.operator.attention.fc.weight.detach()
    kernel = site.graph.add_constant("sth_attention", (fc.double() / scale).to(fc.dtype))
    a = site.graph.call(aten.sigmoid.default, site.graph.call(aten.linear.default, difference, kernel))
    return site.graph.call(aten.reshape.default, a, [-1, fc.shape[0], 1, 1, 1])


def _mean(site: Site, x: fx.Node) -> fx.Node:
    return site.graph.call(aten.mean.dim, x, [2, 3, 4])


def _conv(
    site: Site, x: fx.Node, kernel: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, ...], groups: int
) -> fx.Node:
    dtype = site.operator.spatial_weight.dtype
    weight = site.graph.add_constant("sth_weight", kernel.to(dtype))
    offset = None if bias is None else site.graph.add_constant("sth_bias", bias.to(dtype))
    steps = [1, stride, stride]
    return site.graph.call(aten.conv3d.default, x, weight, offset, steps, list(padding), [1, 1, 1], groups)


def _norm(site: Site) -> tuple[Tensor, Tensor, fx.Node]:
    """Scale and offset of the batch norm after the operator, and the call whose uses the rule replaces."""
    users = list(site.call.users)
    channels = site.operator.image_shapes["weight"][0]
    if len(users) == 1 and users[0].target is aten._native_batch_norm_legit_no_training.default:
        scale, offset = scale_and_offset(site.graph, users[0])
        outputs = [user for user in users[0].users if user.target is operator.getitem and user.args[1] == 0]
        if bool(scale.all()) and len(outputs) == 1:  # attention divides by the scale
            return scale, offset, outputs[0]
    weight = site.operator.spatial_weight
    return weight.new_ones(channels).double(), weight.new_zeros(channels).double(), site.call


def _kernels(sth: SthConv2d) -> tuple[Tensor, Tensor]:
    """``[C_out, C_in, 1, 3, 3]`` with zeros for the temporal blocks, and ``[C_out, C_in / groups, 3, 1, 1]``."""
    temporal = sth.temporal_weight.detach()[..., None, None]
    spatial = sth.spatial_weight.detach()
    if sth.options.form == "merge":
        empty = spatial.new_zeros(temporal.shape[0], *spatial.shape[1:])
        return torch.cat([empty, spatial]).unsqueeze(2), temporal
    width = temporal.shape[1]
    blocks = []
    for g, filters in enumerate(spatial.chunk(sth.options.groups)):
        zeros = filters.new_zeros(filters.shape[0], width, 3, 3)
        blocks.append(torch.cat([filters[:, : g * width], zeros, filters[:, g * width :]], 1))
    return torch.cat(blocks).unsqueeze(2), temporal


STH = Rule(sth_clip, layouts=("clips",))
