"""The video model of a native 3D network."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from spatempo.inputs.spec import Preprocess
from spatempo.models.build import Build
from spatempo.models.head import Head
from spatempo.models.native.reach import temporal_extent
from spatempo.models.recompute import set_recomputed
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import Reach


@runtime_checkable
class NativeNetwork(Protocol):
    """Interface of ``Parts(network=...)``: a module that maps clips ``[B, C, T, H, W]`` to maps."""

    num_features: int
    """C', number of channels of the maps."""

    def __call__(self, clip: Tensor) -> Tensor:
        """``[B, C, T, H, W] -> [B, C', T', H', W']``."""
        ...

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """Names and modules of the blocks, in order, for ``info`` and for gradient checkpointing."""
        ...


class NativeModel(VideoModel):
    """A 3D network, the average of its last maps over space, and a head.

    A network with temporal strides has no score per frame. :meth:`forward_frames` gives one per temporal position of
    the last maps, ``[B, T', K]``, each computed from a window of the clip. Any T from 1 works unless
    :attr:`fixed_frames` is set. Strides round up: 8 frames become 4, 2, 1 positions, and 1 frame remains 1.

    Args:
        build: the model under construction; ``build.source`` is the size.
        network: the network.
    """

    def __init__(
        self,
        name: str,
        design: str,
        options: dict[str, Any],
        build: Build,
        network: nn.Module,
        head: Head,
        *,
        preprocess: Preprocess,
        fixed_frames: int | None,
        weights_source: str | None,
    ) -> None:
        super().__init__(
            name,
            design,
            options,
            network,
            build.source,
            head,
            num_classes=build.num_classes,
            dropout=build.dropout,
            preprocess=preprocess,
            context=build.context,
            plugs=build.plugs,
            removed=("fc.", *build.removed),
            weights_source=weights_source,
            fixed_frames=fixed_frames,
        )

    def forward_features(self, clip: Tensor) -> Tensor:
        self._check_clip(clip)
        self.context.open(clip.shape[2])
        try:
            return self.backbone(clip)
        finally:
            self.context.close()

    @property
    def reach(self) -> Reach | None:
        """Numbers of past and future frames that a position depends on; ``None`` (whole clip) if T is fixed."""
        if self.fixed_frames is not None or not self.head.per_frame:
            return None
        extent = temporal_extent(self.backbone)
        return Reach(extent.past, extent.future)

    def residual_blocks(self) -> list[tuple[str, nn.Module]]:
        assert isinstance(self.backbone, NativeNetwork)
        return self.backbone.blocks()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        set_recomputed([block for _, block in self.residual_blocks()], self.context, enable)
