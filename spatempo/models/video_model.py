"""A video network made of an image network in which some layers look along time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from spatempo.errors import SpatempoError
from spatempo.models.backbone import Backbone
from spatempo.models.blocks import residual_blocks
from spatempo.models.recompute import Recomputed
from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.call import State, TimeCall
from spatempo.preprocess import Preprocess


class Head(nn.Module):
    """Dropout and a linear layer on every frame's feature, ``[N, F] -> [N, K]``.

    The weights start at N(0, 0.001), the bias at zero, as published for TSN and TSM.
    """

    def __init__(self, features: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(features, num_classes)
        nn.init.normal_(self.fc.weight, std=0.001)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(x))


class VideoModel(nn.Module):
    """Frames through a 2D backbone with operators plugged in, one score per frame, and their average.

    Clips are ``[B, 3, T, H, W]``, float, normalised as :attr:`preprocess` says; T may differ from call to call.

    Attributes:
        name: ``<design>_<backbone>``.
        design, options: what was plugged in, and how; with ``backbone_source`` it builds the network again.
        backbone: the 2D network; parameters carry the names of the library it comes from.
        backbone_source: for example ``torchvision/resnet50``.
        head: per-frame classifier, its linear layer is ``head.fc``.
        plugged: where which operator was plugged in, a line each.
        classes: names of the classes, once known.
        preprocess: what the model wants to be fed.
        recipe, metrics: how it was trained and what it scored, as plain values; empty if it was not.
    """

    step_frames = 1

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
    ) -> None:
        super().__init__()
        self.name = name
        self.design = design
        self.options = options
        self.backbone = backbone.net
        self.backbone_source = backbone.source
        self.head = Head(backbone.features, num_classes, dropout)
        self.num_classes = num_classes
        self.causal = causal
        self.preprocess = preprocess
        self.classes: list[str] | None = None
        self.recipe: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.image_classifier = backbone.classifier
        self._maps = backbone.maps
        self._pool = backbone.pool
        self._call = call

    # --- whole clips -------------------------------------------------------------------------------------------------

    def forward(self, clip: Tensor) -> Tensor:
        """Logits of clips: ``[B, 3, T, H, W] -> [B, K]``, the mean of the frames' logits (before any softmax)."""
        return self.forward_frames(clip).mean(1)

    def forward_frames(self, clip: Tensor) -> Tensor:
        """Logits of every frame: ``[B, 3, T, H, W] -> [B, T, K]``."""
        images, frames = self._fold(clip)
        self._call.open(frames)
        try:
            logits = self._image_logits(images)
        finally:
            self._call.close()
        return logits.unflatten(0, (-1, frames))

    def forward_features(self, clip: Tensor) -> Tensor:
        """The backbone's last maps: ``[B, 3, T, H, W] -> [B, C', T, H', W']``."""
        images, frames = self._fold(clip)
        self._call.open(frames)
        try:
            maps = self._maps(self.backbone, images)
        finally:
            self._call.close()
        return maps.unflatten(0, (-1, frames)).transpose(1, 2)

    # --- frame by frame ----------------------------------------------------------------------------------------------

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """The next frame of each stream.

        Args:
            frames: ``[B, 3, 1, H, W]``, normalised.
            state: of :meth:`init_state` at the start of a clip, then what the last step returned.

        Returns:
            The running consensus ``[B, K]``, which after the last frame of a clip is ``forward(clip)``, and the state
            for the next step.
        """
        self._need_causal()
        images, count = self._fold(frames)
        if count != self.step_frames:
            raise SpatempoError(f"step() takes {self.step_frames} frame at a time, got {count}")
        logits, kept = self._run_step(images, count, state[:-2])
        total = state[-2] + logits.unflatten(0, (-1, count)).sum(1)
        seen = state[-1] + count
        return (total / seen).to(logits.dtype), (*kept, total, seen)

    def init_state(
        self,
        batch_size: int = 1,
        size: int | tuple[int, int] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """The state before the first frame: what each operator keeps, in order, then the consensus' sum and count.

        Args:
            batch_size: streams side by side.
            size: of the frames in pixels, one number or (height, width); the model's own by default.
            dtype: of the frames, the parameters' by default.
            device: of the frames, the parameters' by default.
        """
        self._need_causal()
        weight = self.head.fc.weight
        dtype, device = dtype or weight.dtype, device or weight.device
        side = size or self.preprocess.size
        height, width = (side, side) if isinstance(side, int) else side
        # Shapes come from running one frame on the meta device, where nothing is computed and no weight is copied.
        on_meta = {k: torch.empty_like(v, device="meta") for k, v in (*self.named_parameters(), *self.named_buffers())}
        images = torch.empty(batch_size, 3, height, width, device="meta", dtype=weight.dtype)
        modes = {m: m.training for m in self.modules()}
        self.eval()  # a batch norm in training mode refuses the single value that a small frame may leave it
        try:
            with torch.no_grad():
                kept = functional_call(_Probe(self), {f"model.{k}": v for k, v in on_meta.items()}, (images,))
        finally:
            for module, training in modes.items():
                module.training = training
        zeros = [torch.zeros(t.shape, dtype=dtype, device=device) for t in kept]
        wide = torch.promote_types(dtype, torch.float32)  # a bfloat16 sum would lose frames after the 256th
        total = torch.zeros(batch_size, self.num_classes, dtype=wide, device=device)
        return (*zeros, total, torch.zeros((), dtype=wide, device=device))

    def _run_step(self, images: Tensor, frames: int, past: State | None) -> tuple[Tensor, State]:
        self._call.open_step(frames, past)
        kept: State = ()
        try:
            logits = self._image_logits(images)
        finally:
            kept = self._call.close()
        return logits, kept

    def _need_causal(self) -> None:
        if not self.causal:
            raise SpatempoError(
                f"{self.name} looks at future frames, so it cannot go frame by frame: train it with causal=True"
            )

    # --- what it is made of ------------------------------------------------------------------------------------------

    @property
    def plugged(self) -> list[str]:
        """A line per operator, ``<where>: <operator>``."""
        return [
            f"{n.removesuffix('.temporal')}: {m}" for n, m in self.named_modules() if isinstance(m, TemporalOperator)
        ]

    @property
    def reach(self) -> Reach:
        """Frames back and ahead that one frame's score depends on (for long enough clips)."""
        operators = [m for m in self.modules() if isinstance(m, TemporalOperator)]
        return Reach(sum(m.reach.past for m in operators), sum(m.reach.future for m in operators))

    def head_parameters(self) -> list[nn.Parameter]:
        """The new classifier's parameters, which the published recipe trains five times faster."""
        return list(self.head.parameters())

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Computes every residual block again in the backward pass instead of keeping its maps in memory.

        The backbone library's own switch would lose the number of frames; this one carries it along.
        """
        for _, block in residual_blocks(self.backbone):
            if enable:
                block.forward = Recomputed(block, self._call)
            elif isinstance(block.__dict__.get("forward"), Recomputed):
                del block.forward

    def _image_logits(self, images: Tensor) -> Tensor:
        return self.head(self._pool(self.backbone, self._maps(self.backbone, images)))

    def _fold(self, clip: Tensor) -> tuple[Tensor, int]:
        if clip.ndim != 5 or clip.shape[1] != 3:
            raise SpatempoError(f"a clip is [B, 3, T, H, W], got shape {tuple(clip.shape)}")
        # a view where the clip is in channels_last_3d memory, in which the transforms put it
        return clip.transpose(1, 2).flatten(0, 1), clip.shape[2]


class _Probe(nn.Module):
    """Runs one frame and returns what the operators kept, for their shapes."""

    def __init__(self, model: VideoModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> State:
        return self.model._run_step(images, self.model.step_frames, None)[1]
