"""Channel groups that their producer writes as separate tensors.

Cutting a tensor by channels copies it, in engines with a slow reference kernel. A group of channels that an operator
moves is therefore computed apart, all the way from the convolutions that produce it: a convolution is split by its
output channels, and element-wise layers, poolings and sums follow. Where a producer cannot be split, its output is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from spatempo.runtime.graph import ELEMENTWISE, Graph, aten

PER_CHANNEL = (
    *ELEMENTWISE,
    *(aten.max_pool2d.default, aten.avg_pool2d.default, aten.max_pool3d.default, aten.avg_pool3d.default),
)


class Streams:
    """The groups of channels of the tensors of one graph, made once for each tensor.

    Args:
        graph: the graph.
        sum_convs: how :meth:`finish` gives a tensor in groups to a convolution: as the sum of two convolutions, or
            joined.
    """

    def __init__(self, graph: Graph, *, sum_convs: bool = False) -> None:
        self.graph = graph
        self.sum_convs = sum_convs
        self._made: dict[tuple[fx.Node, tuple[int, ...]], list[fx.Node] | None] = {}

    def groups(self, node: fx.Node, sizes: Sequence[int]) -> list[fx.Node]:
        """The channels of a tensor in groups of the given sizes, computed apart where possible and cut elsewhere."""
        made = self._computed(node, tuple(sizes))
        if made is None:
            with self.graph.after([node]):
                made = cut(self.graph, node, sizes)
        return made

    def finish(self) -> None:
        """Joins groups where a tensor is still used as a whole, and drops what nothing uses."""
        self.graph.clean()
        position = {node: i for i, node in enumerate(self.graph.fx.nodes)}
        made = [(key, groups) for key, groups in self._made.items() if groups is not None and key[0] in position]
        for (node, sizes), groups in sorted(made, key=lambda item: -position[item[0][0]]):  # users before their inputs
            self.graph.clean()
            present = set(self.graph.fx.nodes)
            if not node.users or node not in present or not present.issuperset(groups):
                continue  # used no longer as a whole, or not in groups
            if self.sum_convs:
                self._sum_convolutions(node, sizes, groups)
            if not node.users:
                continue
            with self.graph.after(groups):
                whole = self.graph.call(aten.cat.default, groups, 1)
            node.replace_all_uses_with(whole)
        self.graph.clean()

    def _sum_convolutions(self, whole: fx.Node, sizes: tuple[int, ...], groups: list[fx.Node]) -> None:
        for conv in list(whole.users):
            if is_plain_conv(conv) and conv.args[0] is whole:
                bundles, widths = [groups[:-1], groups[-1:]], [sum(sizes[:-1]), sizes[-1]]
                conv.replace_all_uses_with(conv_of_groups(self.graph, conv, bundles, widths))
                self.graph.fx.erase_node(conv)

    def _computed(self, node: fx.Node, sizes: tuple[int, ...]) -> list[fx.Node] | None:
        key = node, sizes
        if key not in self._made:
            self._made[key] = self._compute(node, sizes)
        return self._made[key]

    def _compute(self, node: fx.Node, sizes: tuple[int, ...]) -> list[fx.Node] | None:
        if node.target in PER_CHANNEL:
            groups = self._computed(_input(node, 0), sizes)
            if groups is None:
                return None
            with self.graph.after([node]):
                return [self.graph.call(node.target, group, *node.args[1:]) for group in groups]
        if node.target is aten.add.Tensor and _adds_maps(node):
            first, second = (self._computed(_input(node, i), sizes) for i in (0, 1))
            if first is None or second is None:
                return None
            with self.graph.after([node]):
                return [self.graph.call(node.target, a, b) for a, b in zip(first, second, strict=True)]
        if is_plain_conv(node):
            return self._split_conv(node, sizes)
        return None

    def _split_conv(self, conv: fx.Node, sizes: tuple[int, ...]) -> list[fx.Node]:
        x, weight, bias, *rest = [*conv.args, None][: max(3, len(conv.args))]
        assert isinstance(weight, fx.Node)
        weights = self.graph.constant(weight).split(sizes)
        biases = self.graph.constant(bias).split(sizes) if isinstance(bias, fx.Node) else [None] * len(sizes)
        groups: list[fx.Node] = []
        with self.graph.after([conv]):
            for part, offset in zip(weights, biases, strict=True):
                kernel = self.graph.add_constant(str(weight.target), part)
                shift = None if offset is None else self.graph.add_constant(f"{weight.target}_bias", offset)
                groups.append(self.graph.call(conv.target, x, kernel, shift, *rest))
        return groups


def cut(graph: Graph, node: fx.Node, sizes: Sequence[int]) -> list[fx.Node]:
    """The channels of a tensor in groups, as slices, at the current insertion point."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [graph.call(aten.slice.Tensor, node, 1, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def is_plain_conv(node: fx.Node) -> bool:
    """Whether a call is a convolution of one group with constant weights."""
    if node.target not in (aten.conv2d.default, aten.conv3d.default):
        return False
    groups = node.args[6] if len(node.args) > 6 else 1
    return bool(groups == 1) and _input(node, 1).op == "get_attr"


def conv_of_groups(graph: Graph, conv: fx.Node, bundles: Sequence[Sequence[fx.Node]], sizes: Sequence[int]) -> fx.Node:
    """A convolution as the sum of convolutions of its input's channel groups.

    Args:
        conv: the convolution, which stays; :func:`is_plain_conv`.
        bundles: the groups in the order of the channels, those that one convolution is to take together.
        sizes: channels of each bundle.
    """
    _, weight, bias, *rest = [*conv.args, None][: max(3, len(conv.args))]
    assert isinstance(weight, fx.Node)
    kernels = graph.constant(weight).split(list(sizes), 1)
    total: fx.Node | None = None
    with graph.before(conv):
        for bundle, kernel in zip(bundles, kernels, strict=True):
            x = bundle[0] if len(bundle) == 1 else graph.call(aten.cat.default, list(bundle), 1)
            part = graph.add_constant(str(weight.target), kernel)
            y = graph.call(conv.target, x, part, bias if total is None else None, *rest)
            total = y if total is None else graph.call(aten.add.Tensor, y, total)
    assert total is not None
    return total


def _input(node: fx.Node, index: int) -> fx.Node:
    argument = node.args[index]
    assert isinstance(argument, fx.Node)
    return argument


def _adds_maps(node: fx.Node) -> bool:
    """Whether both addends are tensors of the sum's own shape."""
    shapes = [a.meta["val"].shape for a in node.args if isinstance(a, fx.Node) and "val" in a.meta]
    return len(shapes) == 2 and not node.kwargs and shapes[0] == shapes[1]
