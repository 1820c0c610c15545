"""Graph passes on small networks with known results, and the operations of TSM's ONNX file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import pytest
import torch
from networks import small
from torch import Tensor, fx, nn

from spatempo.models.registry import create_model
from spatempo.runtime.fold_norms import fold_norms
from spatempo.runtime.forms import best_form
from spatempo.runtime.graph import Graph, aten, trace
from spatempo.runtime.rewrite import rewrite
from spatempo.runtime.streams import Streams


class ConvNorm(nn.Module):
    """One 1x1 convolution and its batch norm, on one channel in and two out."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=bias)
        self.norm = nn.BatchNorm2d(2, eps=0.0)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([2.0, 3.0]).view(2, 1, 1, 1))
            if self.conv.bias is not None:
                self.conv.bias.copy_(torch.tensor([1.0, -1.0]))
            self.norm.weight.copy_(torch.tensor([10.0, 6.0]))
            self.norm.bias.copy_(torch.tensor([0.5, 0.25]))
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            self.norm.running_mean.copy_(torch.tensor([5.0, 7.0]))
            self.norm.running_var.copy_(torch.tensor([4.0, 9.0]))  # scales: 10 / 2 = 5 and 6 / 3 = 2

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


@pytest.mark.parametrize(
    ("bias", "offsets"),
    [
        (False, [-5 * 5 + 0.5, -7 * 2 + 0.25]),
        (True, [(1 - 5) * 5 + 0.5, (-1 - 7) * 2 + 0.25]),
    ],
)
@torch.no_grad()
def test_a_batch_norm_becomes_part_of_its_convolution(bias: bool, offsets: list[float]) -> None:
    network = ConvNorm(bias).eval()
    x = torch.randn(2, 1, 3, 3)
    graph = trace(network, (x,), None)
    fold_norms(graph)
    module = graph.finish()
    assert operations(graph) == {"conv2d": 1}
    (conv,) = graph.nodes(aten.conv2d.default)
    weight, offset = (graph.constant(node) for node in conv.args[1:3])  # pyright: ignore[reportArgumentType]
    assert weight.flatten().tolist() == [2 * 5, 3 * 2]
    assert offset.tolist() == offsets
    torch.testing.assert_close(module(x), network(x))


class TwoUses(ConvNorm):
    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.norm(maps) + maps


@torch.no_grad()
def test_a_convolution_with_another_use_keeps_its_batch_norm() -> None:
    network = TwoUses(True).eval()
    x = torch.randn(2, 1, 3, 3)
    graph = trace(network, (x,), None)
    fold_norms(graph)
    torch.testing.assert_close(graph.finish()(x), network(x))
    assert len(graph.nodes(aten._native_batch_norm_legit_no_training.default)) == 1


class Block(nn.Module):
    """``conv(x) + conv(x)``, ReLU, pooling: the layers through which groups of channels are followed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = nn.functional.max_pool2d(torch.relu(self.first(x) + self.second(x)), 2)
        return self.last(maps), maps.sum((2, 3))


@torch.no_grad()
def test_groups_of_channels_are_computed_apart() -> None:
    x = torch.randn(2, 3, 8, 8)
    network = Block().eval()
    graph = trace(network, (x,), None)
    (pool,) = graph.nodes(aten.max_pool2d.default)
    groups = Streams(graph).groups(pool, (1, 2, 3))
    graph.fx.output_node().args = (tuple(groups),)
    graph.clean()
    assert operations(graph) == {"conv2d": 6, "add": 3, "relu": 3, "max_pool2d": 3}, "no channels may be cut"
    want = nn.functional.max_pool2d(torch.relu(network.first(x) + network.second(x)), 2)
    for got, expected in zip(run(graph, x), want.split([1, 2, 3], 1), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("sum_convs", "convs"), [(False, 5), (True, 6)])
@torch.no_grad()
def test_other_uses_of_a_tensor_in_groups(sum_convs: bool, convs: int) -> None:
    x = torch.randn(2, 3, 8, 8)
    network = Block().eval()
    want = network(x)
    graph = trace(network, (x,), None)
    (pool,) = graph.nodes(aten.max_pool2d.default)
    streams = Streams(graph, sum_convs=sum_convs)
    first, rest = streams.groups(pool, (2, 4))
    output = graph.fx.output_node()
    assert isinstance(output.args[0], (tuple, list))
    output.args = ((*output.args[0], first, rest),)
    streams.finish()
    # two convolutions for each of the two groups, then the last one: of the joined groups, or one for each
    assert operations(graph)["conv2d"] == convs
    logits, pooled, *apart = run(graph, x)
    torch.testing.assert_close(logits, want[0])
    torch.testing.assert_close(pooled, want[1])
    torch.testing.assert_close(torch.cat(apart, 1).sum((2, 3)), want[1])


@pytest.mark.parametrize(("name", "form"), [("tsm_smallresnet", "sum"), ("tsm_smallresnet", "concat")])
def test_tsm_in_onnx_has_no_5d_tensors_and_cuts_no_channels(name: str, form: str, tmp_path: Path) -> None:
    rewritten = rewrite(small(name), form)  # pyright: ignore[reportArgumentType]
    file = tmp_path / "model.onnx"
    torch.onnx.export(
        rewritten.module, rewritten.example, file, dynamo=True, dynamic_shapes=rewritten.dynamic_shapes,
        external_data=False, input_names=["clip"], output_names=["logits"], verbose=False,
    )  # fmt: skip
    graph = onnx.shape_inference.infer_shapes(onnx.load(file)).graph
    kinds = Counter(node.op_type for node in graph.node)
    assert kinds["Pad"] == 10, "two moves for each of the five blocks"
    assert not kinds.keys() & {"Split", "ScatterND"}
    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*graph.value_info, *graph.output)}
    entry = {output for node in graph.node if "clip" in node.input for output in node.output}
    for node in graph.node:
        for output in node.output:
            assert output in shapes, f"the shape of {output} ({node.op_type}) is unknown"
            assert len(shapes[output]) < 5 or output in entry, f"{output} ({node.op_type}) has five dimensions"
        if node.op_type in ("Slice", "Gather", "GatherND"):
            assert len(shapes[node.output[0]]) < 2, f"{node.name} cuts maps"


def test_the_form_of_a_model_depends_on_the_width_of_its_shifts() -> None:
    chosen = {
        "tsm_resnet50": ("sum", "sum"),
        "gsm_resnet50": ("sum", "sum"),
        "tsm_mobilenet_v2": ("whole", "taps"),
        "tsm_bninception": ("whole", "taps"),
        "tsn_resnet50": ("whole", "whole"),
    }
    for name, forms in chosen.items():
        model = create_model(name, num_classes=2)
        assert (best_form(model, "onnx"), best_form(model, "openvino")) == forms, name
    inplace = create_model("tsm_mobilenet_v2", num_classes=2, placement="inplace")
    assert best_form(inplace, "onnx") == "whole"


def operations(graph: Graph) -> dict[str, int]:
    """Names of the called functions and how often each is called."""
    return dict(Counter(str(node.target).split(".")[1] for node in graph.fx.nodes if node.op == "call_function"))


def run(graph: Graph, x: Tensor) -> tuple[Tensor, ...]:
    """All outputs of a graph that has others than the traced module."""
    graph.fx.set_codegen(fx.graph.CodeGen())
    return graph.finish()(x)
