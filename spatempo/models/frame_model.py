"""A video network made of a 2D image network and temporal operators."""

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
    """A 2D backbone with operators, applied to each frame, then an optional module on the clip's maps, and a head.

    The backbone's parameters have the names used by its library.

    Args:
        build: the 2D network with the design's operators.
        backbone: description of the 2D network.
        feature_maps: see :class:`~spatempo.models.build.Parts`.
        causal: whether it can process a clip frame by frame.
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
            part = "Parts.feature_maps" if feature_maps is not None else type(head).__name__
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
        try:  # frames stay folded to the end: the clip's maps are not needed
            return self.context.unfold(self._image_features(self.context.fold(clip.transpose(1, 2))))
        finally:
            self.context.close()

    # --- frame by frame ----------------------------------------------------------------------------------------------

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        if not self.causal:
            raise self._not_causal()
        self._check_step(frames, state)
        operator_tensors = len(state) - len(self.head.state_names)
        features, operator_state = self._run_step(frames, state[:operator_tensors])
        scores, head_state = self.head.step(features, state[operator_tensors:])
        return scores, (*operator_state, *head_state)

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
        shapes = [tensor.shape for tensor in self._operator_state_on_meta(batch_size, height, width)]
        zeros = [torch.zeros(shape, dtype=dtype, device=device) for shape in shapes]
        return (*zeros, *self.head.init_state(batch_size, dtype, device))

    @property
    def state_names(self) -> tuple[str, ...]:
        if not self.causal:
            raise self._not_causal()
        self._operator_state_on_meta(1, self.preprocess.size, self.preprocess.size)
        module_names = {id(module): name for name, module in self.named_modules()}
        names = [f"{module_names[id(op)]}.{name}" for op in self.context.owners for name in op.state_names]
        return (*names, *(f"head.{name}" for name in self.head.state_names))

    def _check_step(self, frames: Tensor, state: State) -> None:
        count, head_tensors = self.step_frames, len(self.head.state_names)
        self._check_clip(frames, "the input of step()", str(count))
        if frames.shape[2] != count:
            one = "one frame" if count == 1 else f"{count} frames"
            raise SpatempoError(
                f"step() takes {one} of each stream, [B, {self.preprocess.channels}, {count}, H, W], got "
                f"{frames.shape[2]} in shape {list(frames.shape)}; split a clip with clip.split({count}, 2)"
            )
        if not isinstance(state, tuple | list) or len(state) < head_tensors:
            raise SpatempoError(
                "step() takes the state returned by model.init_state(batch_size) or by the previous step, got "
                f"{type(state).__name__}"
            )
        if not torch.compiler.is_compiling() and len(state[-head_tensors]) != len(frames):
            raise SpatempoError(
                f"step() got {len(frames)} streams and a state of {len(state[-head_tensors])}: create it with "
                f"model.init_state({len(frames)})"
            )

    def _operator_state_on_meta(self, batch_size: int, height: int, width: int) -> State:
        """Runs a step on the meta device, which computes nothing and copies no weights, to get the state's shapes."""
        named = (*self.named_parameters(), *self.named_buffers())
        on_meta = {f"model.{k}": torch.empty_like(v, device="meta") for k, v in named}
        size = (batch_size, self.preprocess.channels, self.step_frames, height, width)
        frames = torch.empty(size, device="meta", dtype=next(self.parameters()).dtype)
        modes = {m: m.training for m in self.modules()}
        self.eval()  # in training mode batch norm rejects maps of a single value, which small frames may give
        try:
            with torch.no_grad():
                return functional_call(_Probe(self), on_meta, (frames,))
        finally:
            for module, training in modes.items():
                module.training = training

    def _run_step(self, frames: Tensor, past: State | None) -> tuple[Tensor, State]:
        """Features ``[B, T', F]`` of the next frames ``[B, C, T, H, W]``, and the operators' new state."""
        self.context.open_step(frames.shape[2], past)
        state: State = ()
        try:
            features = self.context.unfold(self._image_features(self.context.fold(frames.transpose(1, 2))))
        finally:
            state = self.context.close()
        return features, state

    # --- components --------------------------------------------------------------------------------------------------

    @property
    def reach(self) -> Reach | None:
        if self.tail is not None or not self.head.per_frame:
            return None
        past, future, jump = 0, 0, 1  # jump: distance between neighbouring frames at this depth, in frames of the clip
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
        tail = [] if self.tail is None else list(self.tail.parameters())
        return [*super().new_parameters(), *tail]

    def adapt_weights(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return self._adapt(weights, self.preprocess.kind) if self._adapt else weights

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        # the backbone library's own implementation would lose the number of frames
        blocks = residual_blocks(self.backbone)
        if not blocks:
            raise SpatempoError(f"{self.name} has no residual blocks, so it does not support gradient checkpointing")
        set_recomputed([block for _, block in blocks], self.context, enable)

    def _image_features(self, images: Tensor) -> Tensor:
        return self._pool(self.backbone, self._maps(self.backbone, images))


class _Probe(nn.Module):
    """Runs one step and returns the state of the operators."""

    def __init__(self, model: FrameModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor) -> State:
        return self.model._run_step(frames, None)[1]
