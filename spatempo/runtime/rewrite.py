"""A video model as a plain inference network: one functional graph without batch norms, in time-major order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import Dim

from spatempo.errors import SpatempoError
from spatempo.models.frame_model import FrameModel
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import TemporalOperator
from spatempo.operators.context import State
from spatempo.runtime.fold_norms import fold_norms
from spatempo.runtime.graph import Graph, trace
from spatempo.runtime.rules import FORMS, RULES, Form, Layout, Site, rule_of
from spatempo.runtime.streams import Streams
from spatempo.runtime.time_major import ClipNetwork, StepNetwork, time_major
from spatempo.runtime.volumes import Volumes, layout_of

BATCH = 2  # clips of the example that is traced: with one, torch would take the number of clips for a constant
MAX_BATCH = 65536  # torch wants an upper end; no engine is held to it


@dataclass(frozen=True)
class Rewritten:
    """An inference network and what is known of it.

    Attributes:
        module: ``clip -> logits`` or ``(frames, state) -> (logits, state)``, in eval mode. It runs in torch as it is.
        example: inputs that it was traced with.
        dynamic_shapes: of the inputs, for :func:`torch.export.export`.
        form: how the residual stream is carried, see :data:`~spatempo.runtime.rules.rule.Form`.
        own_mix: operators without a rule, which run their own ``mix``, as ``class: count``.
    """

    module: fx.GraphModule
    example: tuple[Tensor | State, ...]
    dynamic_shapes: Any
    form: Form
    own_mix: dict[str, int]


def rewrite(model: VideoModel, form: Form = "sum", *, layout: Layout = "frames", streaming: bool = False) -> Rewritten:
    """Rewrites a model for inference; the model itself stays as it is.

    Frames are in time-major order ``[T*B, C, H, W]``, batch norms are folded into convolutions, and operators with a
    rule (:mod:`spatempo.runtime.rules`) are written in the form that engines run fast. It computes the same numbers as
    the model in eval mode, up to rounding.

    Args:
        model: any video model; of a design with keyword inputs there is no inference network.
        form: how the residual stream is carried to operators that move some of its channels.
        layout: shape of the maps, see :data:`~spatempo.runtime.rules.rule.Layout`; of steps always ``frames``.
        streaming: the causal form for the next frames of streams instead of whole clips.

    Returns:
        The network: B is free; T is free where the design allows it.

    Raises:
        SpatempoError: an unknown form, a model with keyword inputs, or `streaming` of a model that is not causal.
    """
    if form not in FORMS:
        raise SpatempoError(f"form {form!r} is not known; choose from {', '.join(FORMS)}")
    if model.extra_inputs:
        raise SpatempoError(f"{model.name} takes {model.extra_inputs[0]!r} next to the clip, which cannot be exported")
    copied = time_major(model)
    batch = Dim("batch", min=1, max=MAX_BATCH)
    network: ClipNetwork | StepNetwork
    if streaming:
        example = _step_example(model)
        network = StepNetwork(copied, _has_step_rule)
        shapes: Any = {"frames": {0: batch}, "state": tuple({0: batch} if t.ndim else {} for t in example[1])}
    else:
        example = (_clips(model),)
        network = ClipNetwork(copied, lambda operator: rule_of(operator, layout) is not None)
        one_t = model.fixed_frames is not None or any(operator.one_frame_count for operator in copied.operators)
        shapes = {"clip": {0: batch} if one_t else {0: batch, 2: Dim.AUTO(min=1)}}
    with torch.no_grad():
        graph = trace(network, example, shapes)
        fold_norms(graph)
        if layout == "clips" and isinstance(model, FrameModel) and not streaming:
            Volumes(graph).lift()
        _apply_rules(graph, network.replaced, form)
        module = graph.finish()
    own = [operator for operator in copied.operators if operator not in network.replaced]
    flat = (shapes["frames"], shapes["state"]) if streaming else (shapes["clip"],)
    return Rewritten(module, example, flat, form, dict(Counter(type(operator).__name__ for operator in own)))


def _has_step_rule(operator: TemporalOperator) -> bool:
    rule = rule_of(operator)
    return rule is not None and rule.step is not None


def _apply_rules(graph: Graph, operators: list[TemporalOperator], form: Form) -> None:
    streams = Streams(graph, sum_convs=form == "sum")
    for call in graph.nodes(torch.ops.spatempo.operator.default, torch.ops.spatempo.operator_step.default):
        x = call.args[0]
        assert isinstance(x, fx.Node)
        if call.target is torch.ops.spatempo.operator.default:
            _, clips, frames, index, *_ = call.args
            assert isinstance(index, int)
            layout = layout_of(x)
            site = Site(graph, streams, call, operators[index], x, clips, frames, form, layout)
            RULES[type(operators[index])].clip(site)
        else:
            _, past, index = call.args
            assert isinstance(index, int)
            assert isinstance(past, fx.Node)
            rule = rule_of(operators[index])
            assert rule is not None
            assert rule.step is not None
            rule.step(Site(graph, streams, call, operators[index], x, 1, 1, form, "frames"), past)
    streams.finish()


def _clips(model: VideoModel) -> Tensor:
    taken = model.preprocess
    like = next(model.parameters())
    size = (BATCH, taken.channels, model.fixed_frames or taken.frames, taken.size, taken.size)
    return torch.zeros(size, dtype=like.dtype, device=like.device)


def _step_example(model: VideoModel) -> tuple[Tensor, State]:
    state = model.init_state(BATCH)
    frames = _clips(model)[:, :, :1].expand(-1, -1, model.step_frames, -1, -1).contiguous()
    return frames, tuple(tensor.clone() for tensor in state)  # no two may share memory when traced
