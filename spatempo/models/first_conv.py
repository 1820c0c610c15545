"""A network's first convolution for other input than single RGB frames: optical flow, differences, stacks of frames.

Nothing else of a network knows how many channels a frame has, so any design on any backbone can take any modality.

Image weights. A stack of RGB frames repeats the kernel for every frame of it and divides by their number, so that a
still clip gives the image network's values. For other modalities TSN's rule (Wang et al., ECCV 2016, "cross-modality
pre-training"): the mean over the RGB channels of the first kernel, repeated for every channel of the new input, without
rescaling. The bias stays. TSM's code has the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.models.video_model import VideoModel


def widen_first_conv(net: nn.Module, fed: Preprocess, name: str) -> None:
    """Gives the first convolution of a new network for RGB the channels of an input specification.

    The kernel's channels start as independent as RGB's were, for as repeated ones a network that is trained from
    nothing would see only their sum; image weights are repeated when they are loaded (:func:`fit_first_conv`). A
    convolution that has the channels already stays.

    Args:
        net: with random weights.
        name: the model's or the network's, for messages.

    Raises:
        SpatempoError: the network does not begin with a convolution of RGB.
    """
    if fed.channels == 3:
        return
    place, conv = first_conv(net)
    if conv.in_channels == fed.channels:
        return
    if conv.in_channels != 3 or conv.groups != 1:
        raise SpatempoError(f"{name}: {place} is no convolution of RGB, so it cannot be made one of {fed.modality}")
    weight = conv.weight.detach()
    shape = (weight.shape[0], fed.channels, *weight.shape[2:])
    conv.weight = nn.Parameter(torch.randn(shape, dtype=weight.dtype, device=weight.device) * weight.std())
    conv.in_channels = fed.channels


def first_conv(net: nn.Module) -> tuple[str, nn.Conv2d | nn.Conv3d]:
    """The first convolution of a network and its name."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            return name, module
    raise SpatempoError(f"{type(net).__name__} has no convolution")


def fit_first_conv(model: VideoModel, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the model's own names, in which an RGB kernel at the start becomes one of the model's modality."""
    if model.preprocess.channels == 3:
        return weights
    name, conv = first_conv(model.backbone)
    key = f"backbone.{name}.weight"
    if key not in weights or weights[key].shape[1] != 3 or conv.in_channels == 3:
        return weights
    return {**weights, key: fit_kernel(weights[key], model.preprocess)}


def fit_kernel(kernel: Tensor, fed: Preprocess) -> Tensor:
    """An image network's kernel ``[C_out, 3, ...]`` as one of an input specification, ``[C_out, channels, ...]``."""
    if fed.kind.pictures:
        return torch.cat([kernel] * fed.stack, 1) / fed.stack
    return repeat_mean(kernel, fed.channels)


def repeat_mean(kernel: Tensor, channels: int) -> Tensor:
    """``[C_out, 3, ...]`` to ``[C_out, channels, ...]``: the mean over the RGB channels, repeated."""
    return kernel.mean(1, keepdim=True).repeat_interleave(channels, 1)
