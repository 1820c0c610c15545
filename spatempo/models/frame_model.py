"""A video network made of an image network in which some layers look along time."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from spatempo.errors import SpatempoError
from spatempo.models.backbones.base import Backbone
from spatempo.models.backbones.caffe_layers import CaffeNet
from spatempo.models.blocks import residual_blocks
from spatempo.models.consensus import make_consensus
from spatempo.models.recompute import Recomputed
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.call import State, TimeCall
from spatempo.preprocess import Preprocess


class FrameModel(VideoModel):
    """Frames through a 2D backbone with operators plugged in, one score per frame, and their consensus.

    The backbone's parameters carry the names of the library it comes from.
    """

    def __init__(
        self,
        name: str,
        design: str,
        options: dict[str, Any],
        backbone: Backbone,
        call: TimeCall,
        *,
        num_classes: int,
        dropout: float,
        causal: bool,
        preprocess: Preprocess,
        consensus: str = "average",
    ) -> None:
        super().__init__(
            name,
            design,
            options,
            backbone.net,
            backbone.source,
            features=backbone.features,
            num_classes=num_classes,
            dropout=dropout,
            preprocess=preprocess,
            image_classifier=backbone.classifier,
        )
        self.head.consensus = make_consensus(consensus, backbone.features, preprocess.frames)
        self.causal = causal
        self._maps = backbone.maps
        self._pool = backbone.pool
        self._adapt = backbone.adapt
        self._call = call
        self.step_frames = prod(operator.time_stride for operator in self._operators())

    # --- whole clips -------------------------------------------------------------------------------------------------

    def forward(self, clip: Tensor) -> Tensor:
        features = self._frame_features(clip)
        return self.head.consensus(self._frame_logits(features), features)

    def forward_frames(self, clip: Tensor) -> Tensor:
        return self._frame_logits(self._frame_features(clip))

    def forward_features(self, clip: Tensor) -> Tensor:
        images, frames = self._fold(clip)
        self._call.open(frames)
        try:
            maps = self._maps(self.backbone, images)
        finally:
            self._call.close()
        return maps.unflatten(0, (clip.shape[0], -1)).transpose(1, 2)

    def forward_head(self, maps: Tensor) -> Tensor:
        return self._frame_logits(self._pooled(maps))

    def forward_maps(self, maps: Tensor) -> Tensor:
        features = self._pooled(maps)
        return self.head.consensus(self._frame_logits(features), features)

    def _frame_features(self, clip: Tensor) -> Tensor:
        """``[B, C, T, H, W] -> [B, T', F]``."""
        images, frames = self._fold(clip)
        self._call.open(frames)
        try:
            features = self._image_features(images)
        finally:
            self._call.close()
        return features.unflatten(0, (clip.shape[0], -1))

    def _frame_logits(self, features: Tensor) -> Tensor:
        """``[B, T', F] -> [B, T', K]``."""
        return self.head(features.flatten(0, 1)).unflatten(0, (features.shape[0], -1))

    def _pooled(self, maps: Tensor) -> Tensor:
        """``[B, C', T', H', W'] -> [B, T', F]``."""
        folded = maps.transpose(1, 2).flatten(0, 1)
        return self._pool(self.backbone, folded).unflatten(0, (maps.shape[0], -1))

    # --- frame by frame ----------------------------------------------------------------------------------------------

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        if not self.causal:
            raise self._not_causal()
        self._check_step(frames, state)
        images, count = self._fold(frames)
        consensus = self.head.consensus
        features, kept = self._run_step(images, count, state[: -consensus.state_size])
        features = features.unflatten(0, (frames.shape[0], -1))
        logits = self._frame_logits(features)
        scores, so_far = consensus.step(logits, features, state[-consensus.state_size :])
        return scores.to(logits.dtype), (*kept, *so_far)

    def init_state(
        self,
        batch_size: int = 1,
        size: int | tuple[int, int] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        if not self.causal:
            raise self._not_causal()
        weight = self.head.fc.weight
        dtype, device = dtype or weight.dtype, device or weight.device
        side = size or self.preprocess.size
        height, width = (side, side) if isinstance(side, int) else side
        kept = self._kept_on_meta(batch_size, height, width)
        zeros = [torch.zeros(t.shape, dtype=dtype, device=device) for t in kept]
        wide = torch.promote_types(dtype, torch.float32)  # a bfloat16 sum would lose frames after the 256th
        scores = torch.zeros(batch_size, self.num_classes, dtype=wide, device=device)
        return (*zeros, *self.head.consensus.begin(scores))

    def _check_step(self, frames: Tensor, state: State) -> None:
        count, of_consensus = self.step_frames, self.head.consensus.state_size
        self._check_clip(frames, "what step() takes", str(count))
        if frames.shape[2] != count:
            one = "one frame" if count == 1 else f"{count} frames"
            raise SpatempoError(
                f"step() takes {one} of each stream, [B, {self.preprocess.channels}, {count}, H, W], got "
                f"{frames.shape[2]} in shape {list(frames.shape)}; go through a clip by clip.split({count}, 2)"
            )
        if not isinstance(state, tuple | list) or len(state) < of_consensus:
            raise SpatempoError(
                "step() takes the state of model.init_state(batch_size), or of the step before, got "
                f"{type(state).__name__}"
            )
        if not torch.compiler.is_compiling() and len(state[-of_consensus]) != len(frames):
            raise SpatempoError(
                f"step() got {len(frames)} streams and the state of {len(state[-of_consensus])}: make it by "
                f"model.init_state({len(frames)})"
            )

    def _kept_on_meta(self, batch_size: int, height: int, width: int) -> State:
        """What the operators keep, for its shapes: a step on the meta device computes nothing and copies no weight."""
        named = (*self.named_parameters(), *self.named_buffers())
        on_meta = {f"model.{k}": torch.empty_like(v, device="meta") for k, v in named}
        size = (batch_size * self.step_frames, self.preprocess.channels, height, width)
        images = torch.empty(size, device="meta", dtype=self.head.fc.weight.dtype)
        modes = {m: m.training for m in self.modules()}
        self.eval()  # a batch norm in training mode refuses the single value that a small frame may leave it
        try:
            with torch.no_grad():
                return functional_call(_Probe(self), on_meta, (images,))
        finally:
            for module, training in modes.items():
                module.training = training

    def _run_step(self, images: Tensor, frames: int, past: State | None) -> tuple[Tensor, State]:
        self._call.open_step(frames, past)
        kept: State = ()
        try:
            features = self._image_features(images)
        finally:
            kept = self._call.close()
        return features, kept

    # --- what it is made of ------------------------------------------------------------------------------------------

    @property
    def reach(self) -> Reach | None:
        past, future, jump = 0, 0, 1  # jump: frames of the clip from one frame to the next at this depth
        for operator in self._operators():
            if operator.reach is None:
                return None
            past += jump * operator.reach.past
            future += jump * operator.reach.future
            jump *= operator.time_stride
        return Reach(past, future)

    def _operators(self) -> list[TemporalOperator]:
        """In the order of the network, as far as it matters: what joins frames is between stages."""
        return [m for m in self.modules() if isinstance(m, TemporalOperator)]

    def residual_blocks(self) -> list[tuple[str, nn.Module]]:
        if isinstance(self.backbone, CaffeNet):  # has inception blocks instead
            return [(name, self.backbone.get_submodule(name)) for name in self.backbone.block_names]
        return super().residual_blocks()

    def adapt_weights(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return self._adapt(weights, self.preprocess.modality) if self._adapt else weights

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        # the backbone library's own switch would lose the number of frames; this one carries it along
        blocks = residual_blocks(self.backbone)
        if not blocks:
            raise SpatempoError(
                f"{self.name} has no residual blocks that could be computed again: leave it switched off"
            )
        for _, block in blocks:
            if enable:
                block.forward = Recomputed(block, self._call)
            elif isinstance(block.__dict__.get("forward"), Recomputed):
                del block.forward

    def _image_features(self, images: Tensor) -> Tensor:
        return self._pool(self.backbone, self._maps(self.backbone, images))

    def _fold(self, clip: Tensor) -> tuple[Tensor, int]:
        self._check_clip(clip)
        # a view where the clip is in channels_last_3d memory, in which the transforms put it
        return clip.transpose(1, 2).flatten(0, 1), clip.shape[2]


class _Probe(nn.Module):
    """Runs one step and returns what the operators kept."""

    def __init__(self, model: FrameModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> State:
        return self.model._run_step(images, self.model.step_frames, None)[1]
