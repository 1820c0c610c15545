"""A video-native residual network as a model of the catalogue."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.adapters import mmaction_r2plus1d, torchvision_video, vmz
from spatempo.models.modality import repeat_mean
from spatempo.models.native.convs import Conv2Plus1D
from spatempo.models.native.from_image import from_image, is_image_resnet
from spatempo.models.native.video_resnet import VideoResNet
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import Reach
from spatempo.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

TORCH_EPS = 1e-5
CAFFE2_EPS = 1e-3
"""Batch norm's epsilon in the authors' framework; weights trained with it need it (ported ones too)."""


class VideoResNetModel(VideoModel):
    """Clips through a :class:`VideoResNet`, the average of its last maps over time and space, and a linear layer.

    The network strides in time, so it has no score per frame: :meth:`forward_frames` gives one per temporal position
    of the last maps, ``[B, T', K]``, each from a window of the clip. Their mean is ``forward(clip)`` in eval mode (the
    head is linear); in training, dropout acts once, on the averaged feature.

    Any T from 1 works: strides round up (8 frames leave 4, 2, 1 positions; 1 frame stays 1). Only R2D, whose stem fuses
    ``stem_frames`` frames, refuses another number.
    """

    backbone: VideoResNet

    def __init__(
        self,
        name: str,
        design: str,
        size: str,
        options: dict[str, Any],
        net: VideoResNet,
        *,
        num_classes: int,
        dropout: float,
        preprocess: Preprocess,
        weights_source: str | None = None,
        mid_eps: float | None = None,
    ) -> None:
        """
        Args:
            size: layers, which with ``design`` and ``options`` builds the network again.
            options: among them ``bn_eps``; ``None`` is torch's, until weights come that need another.
            weights_source: where the design's library keeps published weights, for example ``torchvision/r3d_18``.
            mid_eps: of the batch norms inside (2+1)D convolutions, where it is not ``bn_eps``.
        """
        super().__init__(
            name,
            design,
            options,
            net,
            size,
            features=net.num_features,
            num_classes=num_classes,
            dropout=dropout,
            preprocess=preprocess,
            image_classifier=("fc.",),
        )
        self.weights_source = weights_source or self.weights_source
        self._mid_eps = mid_eps
        self._set_eps(options["bn_eps"] or TORCH_EPS)

    def forward(self, clip: Tensor) -> Tensor:
        return self.head(self.forward_features(clip).mean((2, 3, 4)))

    def forward_frames(self, clip: Tensor) -> Tensor:
        """Logits of every temporal position of the last maps: ``[B, 3, T, H, W] -> [B, T', K]``."""
        return self.head(self.forward_features(clip).mean((3, 4)).transpose(1, 2))

    def forward_features(self, clip: Tensor) -> Tensor:
        self._check_clip(clip)
        fused = self.options.get("stem_frames")
        if fused is not None and clip.shape[2] != fused:
            raise SpatempoError(
                f"{self.name} fuses {fused} frames in its first convolution and got {clip.shape[2]}: "
                f"make it with frames={clip.shape[2]}, or give clips of {fused}"
            )
        return self.backbone(clip)

    @property
    def reach(self) -> Reach | None:
        """Frames that one temporal position depends on, about its own; ``None`` (the whole clip) for R2D."""
        if self.options.get("stem_frames") is not None:
            return None
        side, jump = 0, 1  # frames to one side; frames between neighbours
        for name, module in self.backbone.named_modules():
            if isinstance(module, nn.Conv3d) and "downsample" not in name:
                side += module.kernel_size[0] // 2 * jump
                jump *= module.stride[0]
        return Reach(side, side)

    def residual_blocks(self) -> list[tuple[str, nn.Module]]:
        return self.backbone.blocks()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        self.backbone.recompute = enable

    def adapt_weights(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Image weights become the network's (see :mod:`spatempo.models.native.from_image`), and bring ImageNet's mean.

        Raises:
            SpatempoError: R(2+1)D weights of the other rule for mid channels; names the option that makes them fit.
        """
        if is_image_resnet(weights):
            self.preprocess = self.preprocess.with_statistics(IMAGENET_MEAN, IMAGENET_STD)
            kernel = weights["conv1.weight"]
            if self.preprocess.modality != "rgb":
                kernel = repeat_mean(kernel, self.preprocess.channels)
            return from_image(self.backbone, {**weights, "conv1.weight": kernel})
        needed, own = vmz.midplanes(weights), self.options.get("midplanes")
        if torchvision_video.matches(weights) and needed is not None and own is not None and needed != own:
            raise SpatempoError(f"the weights have the mid channels of {needed}'s rule: give midplanes={needed!r}")
        if mmaction_r2plus1d.matches(weights) and self.options.get("form", "mmaction2") != "mmaction2":
            raise SpatempoError("the weights are of mmaction2's form of R(2+1)D: give form='mmaction2'")
        return weights

    def weights_loaded(self, layout: str, options: Mapping[str, Any]) -> None:
        """Takes over the batch norm epsilon that weights were trained with, unless the user chose one."""
        needed = {"vmz": CAFFE2_EPS}.get(layout, options.get("bn_eps"))
        if self.options["bn_eps"] is None and needed is not None:
            if layout == "vmz":
                warnings.warn(
                    f"{self.name}: the weights have the layout of VMZ's, so batch norm's eps is set to {needed:g} as "
                    f"there; bn_eps={TORCH_EPS:g} keeps torch's",
                    stacklevel=4,
                )
            self.options = {**self.options, "bn_eps": needed}
            self._set_eps(needed)

    def _set_eps(self, eps: float) -> None:
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eps = eps
        if self._mid_eps is not None:
            factorised = [m for m in self.backbone.modules() if isinstance(m, Conv2Plus1D)]
            for sequence in (self.backbone.stem, *factorised):
                norm = sequence[1]
                assert isinstance(norm, nn.BatchNorm3d)
                norm.eps = self._mid_eps
