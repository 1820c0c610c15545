"""A network's first convolution for other input than RGB: optical flow, differences of frames.

Nothing else of a network knows how many channels a frame has, so any design on any backbone can be fed any modality.
TSN's rule for image weights (Wang et al., ECCV 2016, "cross-modality pre-training"): the mean over the RGB channels of
the first kernel, repeated for every channel of the new input, without rescaling; the bias stays. TSM's code has the
same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.video_model import VideoModel

STACK = 5  # flow fields, or differences, of one frame of a 2D network's clip (TSN, TSM)


def set_modality(model: VideoModel, modality: str, stack: int | None = None) -> None:
    """Makes a new model one for a modality.

    The kernel's channels start as independent as RGB's were, for as repeated ones a network that is trained from
    nothing would see only their sum; image weights are repeated when they are loaded (:func:`fit_first_conv`).

    Args:
        model: with random weights, for RGB.
        modality: of :class:`~spatempo.inputs.spec.Preprocess`.
        stack: consecutive flow fields or differences of a frame. ``None``: 5, the published number for 2D networks; 1
            for those that convolve in time, to which R(2+1)D's authors give one field a frame.

    Raises:
        SpatempoError: unknown modality, or a backbone that does not begin with a convolution of RGB.
    """
    if stack is None:
        stack = 1 if modality == "rgb" or isinstance(first_conv(model.backbone)[1], nn.Conv3d) else STACK
    model.preprocess = model.preprocess.as_modality(modality, stack)
    channels = model.preprocess.channels
    if modality == "rgb":
        return
    name, conv = first_conv(model.backbone)
    if conv.in_channels != 3 or conv.groups != 1:
        raise SpatempoError(f"{model.name}: {name} is no convolution of RGB, so it cannot be made one of {modality}")
    weight = conv.weight.detach()
    shape = (weight.shape[0], channels, *weight.shape[2:])
    conv.weight = nn.Parameter(torch.randn(shape, dtype=weight.dtype, device=weight.device) * weight.std())
    conv.in_channels = channels


def first_conv(net: nn.Module) -> tuple[str, nn.Conv2d | nn.Conv3d]:
    """The first convolution of a network and its name."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            return name, module
    raise SpatempoError(f"{type(net).__name__} has no convolution")


def fit_first_conv(model: VideoModel, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the model's own names, in which an RGB kernel at the start becomes one of the model's modality."""
    if model.preprocess.modality == "rgb":
        return weights
    name, conv = first_conv(model.backbone)
    key = f"backbone.{name}.weight"
    if key not in weights or weights[key].shape[1] != 3 or conv.in_channels == 3:
        return weights
    return {**weights, key: repeat_mean(weights[key], conv.in_channels)}


def repeat_mean(kernel: Tensor, channels: int) -> Tensor:
    """``[C_out, 3, ...]`` to ``[C_out, channels, ...]``: the mean over the RGB channels, repeated."""
    return kernel.mean(1, keepdim=True).repeat_interleave(channels, 1)
