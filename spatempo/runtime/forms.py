"""Which form of the residual stream and which layout of the maps is fastest for a model.

CPU seconds of TSM over the plain network, 8 frames, one thread, one fresh process (Intel Xeon, family 6 model 207,
OpenVINO 2026.4.1, ONNX Runtime 1.32.0, the lowest of all rounds because the machine was not idle)::

                                  whole   concat    sum    5-D export
    ResNet-50, 224    OpenVINO f32  1.14     1.08   1.03    1.27
                      OpenVINO bf16 1.04     1.03   1.03    1.11
                      ONNX Runtime  1.25     1.25   1.08    1.25
    MobileNetV2, 112  OpenVINO f32  1.08     1.17   1.20    1.06
                      ONNX Runtime  1.07     1.19   1.35    1.05

Wall time on all cores of an idle machine: ``python benchmarks/export.py --forms``.

In a ResNet the groups of channels that move are 32 or more wide from the second block on, and a convolution of them
costs little more than its part of the whole convolution. In MobileNetV2 they are 3 to 20 wide: convolutions that narrow
do not fill vector registers, so there one copy of the small maps is cheaper.
"""

from __future__ import annotations

from torch import nn

from spatempo.models.video_model import VideoModel
from spatempo.operators.shift import TemporalShift
from spatempo.runtime.rules import Form, Layout, rule_of

WIDE = 256  # channels; between MobileNetV2 (at most 160 where shifted) and ResNet-50 (2048), which were measured


def best_form(model: VideoModel) -> Form:
    """The form with the lowest measured time, which is the same in ONNX Runtime and OpenVINO."""
    shifted = [plug.module for plug in model.plugs if isinstance(plug.operator, TemporalShift)]
    return "sum" if max(map(_in_channels, shifted), default=0) >= WIDE else "whole"


def best_layout(model: VideoModel, format: str) -> Layout:  # noqa: A002
    """``clips`` in OpenVINO for operators that have a fast form in this layout only; otherwise ``frames``.

    OpenVINO runs a convolution of depth 1 as fast as the 2D convolution; ONNX Runtime has no fast 3D convolution.
    """
    only_clips = (rule_of(operator, "clips") and not rule_of(operator, "frames") for operator in model.operators)
    return "clips" if format == "openvino" and any(only_clips) else "frames"


def _in_channels(module: nn.Module) -> int:
    """Input channels of a convolution or of a block; 0 for a module without convolutions."""
    return next((conv.in_channels for conv in module.modules() if isinstance(conv, nn.Conv2d)), 0)
