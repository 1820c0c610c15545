"""A video network made of an image network and temporal operators."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.models.backbones.base import Backbone
from spatempo.models.backbones.caffe_layers import CaffeNet
from spatempo.models.blocks import residual_blocks
from spatempo.models.build import Build, in_network_order
from spatempo.models.head import Head
from spatempo.models.recompute import set_recomputed
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import Reach
from spatempo.operators.context import State


class FrameModel(VideoModel):
    """Frames through a 2D backbone with operators, perhaps a part that makes maps of the clip of theirs, and a head.

    The backbone's parameters carry the names of the library it comes from.

    Args:
        build: the 2D network with the design's operators.
        backbone: the network's facts.
        feature_maps: see :class:`~spatempo.models.build.Parts`.
        causal: whether it can go frame by frame.
    """

    def __init__(
        self,
        name: str,
        design: str,
        options: dict[str, Any],
        build: Build,
        backbone: Backbone,
        head: Head,
        *,
        feature_maps: nn.Module | None,
        causal: bool,
        preprocess: Preprocess,
        fixed_frames: int | None,
    ) -> None:
        super().__init__(
            name,
            design,
            options,
            build.net,
            build.source,
            head,
            num_classes=build.num_classes,
            dropout=build.dropout,
            preprocess=preprocess,
            context=build.context,
            plugs=in_network_order(build.plugs, build.net),
            removed=(*backbone.classifier, *build.removed),
            fixed_frames=fixed_frames,
        )
        if causal and (feature_maps is not None or not head.state_names):
            part = "its feature maps" if feature_maps is not None else type(head).__name__
            raise SpatempoError(f"{name}: {part} needs the whole clip, so the model has no causal form")
        self.tail = feature_maps
        self.causal = causal
        self.step_frames = prod(operator.time_stride for operator in self.operators)
        self._maps = build.maps
        self._pool = backbone.pool
        self._adapt = backbone.adapt

    # --- whole clips -------------------------------------------------------------------------------------------------

    def forward_features(self, clip: Tensor) -> Tensor:
        self._check_clip(clip)
        self.context.open(clip.shape[2])
        try:
            images = self.context.fold(clip.transpose(1, 2))
            maps = self.context.unfold(self._maps(self.backbone, images)).transpose(1, 2)
            return maps if self.tail is None else self.tail(maps)
        finally:
            self.context.close()

    def pool_features(self, maps: Tensor) -> Tensor:
        if self.tail is not None:
            return super().pool_features(maps)
        folded = maps.transpose(1, 2).flatten(0, 1)
        return self._pool(self.backbone, folded).unflatten(0, (maps.shape[0], -1))

    def _features(self, clip: Tensor) -> Tensor:
        if self.tail is not None:
            return super()._features(clip)
        self._check_clip(clip)
        self.context.open(clip.shape[2])
        try:  # folded all the way: maps of a clip are not needed
            return self.context.unfold(self._image_features(self.context.fold(clip.transpose(1, 2))))
        finally:
            self.context.close()

    # --- frame by frame ----------------------------------------------------------------------------------------------

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        if not self.causal:
            raise self._not_causal()
        self._check_step(frames, state)
        own = len(state) - len(self.head.state_names)
        features, kept = self._run_step(frames, state[:own])
        scores, so_far = self.head.step(features, state[own:])
        return scores, (*kept, *so_far)

    def init_state(
        self,
        batch_size: int = 1,
        size: int | tuple[int, int] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        if not self.causal:
            raise self._not_causal()
        like = next(self.parameters())
        dtype, device = dtype or like.dtype, device or like.device
        side = size or self.preprocess.size
        height, width = (side, side) if isinstance(side, int) else side
        kept = self._kept_on_meta(batch_size, height, width)
        zeros = [torch.zeros(t.shape, dtype=dtype, device=device) for t in kept]
        return (*zeros, *self.head.init_state(batch_size, dtype, device))

    @property
    def state_names(self) -> tuple[str, ...]:
        if not self.causal:
            raise self._not_causal()
        self._kept_on_meta(1, self.preprocess.size, self.preprocess.size)
        where = {id(module): name for name, module in self.named_modules()}
        names = [f"{where[id(op)]}.{name}" for op in self.context.owners for name in op.state_names]
        return (*names, *(f"head.{name}" for name in self.head.state_names))

    def _check_step(self, frames: Tensor, state: State) -> None:
        count, of_head = self.step_frames, len(self.head.state_names)
        self._check_clip(frames, "what step() takes", str(count))
        if frames.shape[2] != count:
            one = "one frame" if count == 1 else f"{count} frames"
            raise SpatempoError(
                f"step() takes {one} of each stream, [B, {self.preprocess.channels}, {count}, H, W], got "
                f"{frames.shape[2]} in shape {list(frames.shape)}; go through a clip by clip.split({count}, 2)"
            )
        if not isinstance(state, tuple | list) or len(state) < of_head:
            raise SpatempoError(
                "step() takes the state of model.init_state(batch_size), or of the step before, got "
                f"{type(state).__name__}"
            )
        if not torch.compiler.is_compiling() and len(state[-of_head]) != len(frames):
            raise SpatempoError(
                f"step() got {len(frames)} streams and the state of {len(state[-of_head])}: make it by "
                f"model.init_state({len(frames)})"
            )

    def _kept_on_meta(self, batch_size: int, height: int, width: int) -> State:
        """What the operators keep, for its shapes: a step on the meta device computes nothing and copies no weight."""
        named = (*self.named_parameters(), *self.named_buffers())
        on_meta = {f"model.{k}": torch.empty_like(v, device="meta") for k, v in named}
        size = (batch_size, self.preprocess.channels, self.step_frames, height, width)
        frames = torch.empty(size, device="meta", dtype=next(self.parameters()).dtype)
        modes = {m: m.training for m in self.modules()}
        self.eval()  # a batch norm in training mode refuses the single value that a small frame may leave it
        try:
            with torch.no_grad():
                return functional_call(_Probe(self), on_meta, (frames,))
        finally:
            for module, training in modes.items():
                module.training = training

    def _run_step(self, frames: Tensor, past: State | None) -> tuple[Tensor, State]:
        """Features ``[B, T', F]`` of the next frames ``[B, C, T, H, W]``, and what the operators kept."""
        self.context.open_step(frames.shape[2], past)
        kept: State = ()
        try:
            features = self.context.unfold(self._image_features(self.context.fold(frames.transpose(1, 2))))
        finally:
            kept = self.context.close()
        return features, kept

    # --- what it is made of ------------------------------------------------------------------------------------------

    @property
    def reach(self) -> Reach | None:
        if self.tail is not None or not self.head.per_frame:
            return None
        past, future, jump = 0, 0, 1  # jump: frames of the clip from one frame to the next at this depth
        for operator in self.operators:
            if operator.reach is None:
                return None
            past += jump * operator.reach.past
            future += jump * operator.reach.future
            jump *= operator.time_stride
        return Reach(past, future)

    def residual_blocks(self) -> list[tuple[str, nn.Module]]:
        if isinstance(self.backbone, CaffeNet):  # has inception blocks instead
            return [(name, self.backbone.get_submodule(name)) for name in self.backbone.block_names]
        return residual_blocks(self.backbone)

    def new_parameters(self) -> list[nn.Parameter]:
        own = [] if self.tail is None else list(self.tail.parameters())
        return [*super().new_parameters(), *own]

    def adapt_weights(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return self._adapt(weights, self.preprocess.kind) if self._adapt else weights

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        # the backbone library's own switch would lose the number of frames; this one carries it along
        blocks = residual_blocks(self.backbone)
        if not blocks:
            raise SpatempoError(
                f"{self.name} has no residual blocks that could be computed again: leave it switched off"
            )
        set_recomputed([block for _, block in blocks], self.context, enable)

    def _image_features(self, images: Tensor) -> Tensor:
        return self._pool(self.backbone, self._maps(self.backbone, images))


class _Probe(nn.Module):
    """Runs one step and returns what the operators kept."""

    def __init__(self, model: FrameModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor) -> State:
        return self.model._run_step(frames, None)[1]
