"""The first convolution for input other than single RGB frames: optical flow, differences, stacks of frames.

Only the first convolution depends on the number of input channels, so any design on any backbone supports any modality.

ImageNet weights are converted. For a stack of RGB frames the kernel is repeated for each frame and divided by their
number, so that a still clip gives the values of the image network. Other modalities follow TSN (Wang et al., ECCV 2016,
"cross-modality pre-training"): the kernel is averaged over the RGB channels and repeated for each input channel,
without rescaling. The bias is unchanged. TSM's code does the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.models.video_model import VideoModel


def widen_first_conv(net: nn.Module, spec: Preprocess, name: str) -> None:
    """Changes the first convolution of a new RGB network to the number of channels of an input specification.

    The new kernel is random, not repeated: with repeated channels, a network trained from scratch would see only the
    sum of its input channels. Image weights are repeated when they are loaded (:func:`fit_first_conv`). A convolution
    that already has this number of channels is not changed.

    Args:
        net: a network with random weights.
        spec: the input specification.
        name: name of the model or network, for error messages.

    Raises:
        SpatempoError: the first convolution does not have RGB input.
    """
    if spec.channels == 3:
        return
    layer, conv = first_conv(net)
    if conv.in_channels == spec.channels:
        return
    if conv.in_channels != 3 or conv.groups != 1:
        raise SpatempoError(f"{name}: {layer} does not take RGB, so it cannot be converted to {spec.modality}")
    weight = conv.weight.detach()
    shape = (weight.shape[0], spec.channels, *weight.shape[2:])
    conv.weight = nn.Parameter(torch.randn(shape, dtype=weight.dtype, device=weight.device) * weight.std())
    conv.in_channels = spec.channels


def first_conv(net: nn.Module) -> tuple[str, nn.Conv2d | nn.Conv3d]:
    """Name and module of the first convolution of a network."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            return name, module
    raise SpatempoError(f"{type(net).__name__} has no convolution")


def fit_first_conv(model: VideoModel, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Converts the RGB kernel of the first convolution to the model's modality, in weights with the model's names."""
    if model.preprocess.channels == 3:
        return weights
    name, conv = first_conv(model.backbone)
    key = f"backbone.{name}.weight"
    if key not in weights or weights[key].shape[1] != 3 or conv.in_channels == 3:
        return weights
    return {**weights, key: fit_kernel(weights[key], model.preprocess)}


def fit_kernel(kernel: Tensor, spec: Preprocess) -> Tensor:
    """Converts an RGB kernel to an input specification: ``[C_out, 3, ...] -> [C_out, spec.channels, ...]``."""
    if spec.kind.images:
        return torch.cat([kernel] * spec.stack, 1) / spec.stack
    return repeat_mean(kernel, spec.channels)


def repeat_mean(kernel: Tensor, channels: int) -> Tensor:
    """Averages a kernel over its RGB channels and repeats it: ``[C_out, 3, ...] -> [C_out, channels, ...]``."""
    return kernel.mean(1, keepdim=True).repeat_interleave(channels, 1)
