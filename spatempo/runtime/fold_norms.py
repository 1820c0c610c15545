"""Batch norms folded into the convolutions before them: ``s * (W x + b) + t`` becomes one convolution.

In eval mode a batch norm is ``s * x + t`` per channel: ``s = weight / sqrt(var + eps)``, ``t = bias - mean * s``.
"""

from __future__ import annotations

from torch import Tensor, fx

from spatempo.runtime.graph import Graph, aten

CONVOLUTIONS = (aten.conv2d.default, aten.conv3d.default)


def fold_norms(graph: Graph) -> None:
    """Folds every batch norm whose input is a convolution that nothing else uses; others stay as they are."""
    for norm in graph.nodes(aten._native_batch_norm_legit_no_training.default):
        conv = norm.args[0]
        assert isinstance(conv, fx.Node)
        if conv.target not in CONVOLUTIONS or len(conv.users) > 1:
            continue
        weight = conv.args[1]
        if not isinstance(weight, fx.Node) or weight.op != "get_attr":
            continue  # weights that are themselves computed, as in weight standardisation
        scale, offset = scale_and_offset(graph, norm)
        _, _, bias, *rest = [*conv.args, None][: max(3, len(conv.args))]
        kernel = graph.constant(weight)
        folded = kernel.double() * scale.view(-1, *[1] * (kernel.ndim - 1))
        if isinstance(bias, fx.Node):
            offset = offset + graph.constant(bias).double() * scale
        with graph.before(conv):
            new_weight = graph.add_constant(f"{weight.target}_folded", folded.to(kernel.dtype))
            new_bias = graph.add_constant(f"{weight.target}_bias", offset.to(kernel.dtype))
        conv.args = (conv.args[0], new_weight, new_bias, *rest)
        for output in list(norm.users):  # the norm gives a tuple, whose first item is its output
            output.replace_all_uses_with(conv)
    graph.clean()


def scale_and_offset(graph: Graph, norm: fx.Node) -> tuple[Tensor, Tensor]:
    """``(s, t)`` of a batch norm, float64 ``[C]``."""
    weight, bias, mean, var = (_values(graph, argument) for argument in norm.args[1:5])
    eps = norm.args[6]
    assert isinstance(eps, float)
    assert mean is not None
    assert var is not None
    scale = (var + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    offset = -mean * scale
    return scale, offset if bias is None else offset + bias


def _values(graph: Graph, argument: object) -> Tensor | None:
    return graph.constant(argument).double() if isinstance(argument, fx.Node) else None
