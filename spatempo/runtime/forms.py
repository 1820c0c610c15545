"""Which form of the residual stream and which layout of the maps is fastest for a model.

CPU seconds of TSM over the plain network, 8 frames, one thread, one fresh process (Intel Xeon, family 6 model 207,
OpenVINO 2026.4.1, ONNX Runtime 1.32.0, the lowest of all rounds because the machine was not idle)::

                                  whole   concat    sum    5-D export
    ResNet-50, 224    OpenVINO f32  1.14     1.08   1.03    1.27
                      OpenVINO bf16 1.04     1.03   1.03    1.11
                      ONNX Runtime  1.25     1.25   1.08    1.25
    MobileNetV2, 112  OpenVINO f32  1.08     1.17   1.20    1.06
                      ONNX Runtime  1.07     1.19   1.35    1.05

Wall time on the idle machine, two threads, medians of five processes (``python benchmarks/export.py``): ResNet-50 with
``sum`` 1.051 in OpenVINO f32, 1.026 in bf16 and 1.036 in ONNX Runtime; MobileNetV2 in OpenVINO f32 (``--forms``) with
``taps`` 1.025, ``whole`` 1.067, ``concat`` 1.126, ``sum`` 1.155.

In a ResNet the groups of channels that move are 32 or more wide from the second block on, and a convolution of them
costs little more than its part of the whole convolution. In MobileNetV2 they are 3 to 20 wide: convolutions that narrow
do not fill vector registers, so there one copy of the small maps is cheaper: in OpenVINO a
depthwise convolution over time, in ONNX Runtime a cut.
"""

from __future__ import annotations

from torch import nn

from spatempo.models.video_model import VideoModel
from spatempo.operators.base import TemporalOperator
from spatempo.operators.gate_shift import GateShift
from spatempo.operators.shift import TemporalShift
from spatempo.runtime.rules import Form, Layout, rule_of

WIDE = 256  # channels; between MobileNetV2 (at most 160 where shifted) and ResNet-50 (2048), which were measured


def best_form(model: VideoModel, format: str) -> Form:  # noqa: A002
    """The form with the lowest measured time for ``onnx``, ``openvino`` or ``pt2``."""
    if _widest(model, TemporalShift) >= WIDE or _widest(model, GateShift) >= WIDE:
        return "sum"
    shifts = any(isinstance(operator, TemporalShift) for operator in model.operators)
    return "taps" if format == "openvino" and shifts else "whole"


def best_layout(model: VideoModel, format: str, form: Form) -> Layout:  # noqa: A002
    """``clips`` in OpenVINO for forms and operators that are fast in this layout only; otherwise ``frames``.

    OpenVINO runs a convolution of depth 1 as fast as the 2D convolution; ONNX Runtime has no fast 3D convolution.
    """
    if format != "openvino":
        return "frames"
    only_clips = (rule_of(operator, "clips") and not rule_of(operator, "frames") for operator in model.operators)
    return "clips" if form == "taps" or any(only_clips) else "frames"


def _widest(model: VideoModel, kind: type[TemporalOperator]) -> int:
    """Most input channels of the modules at which operators of a kind are placed; 0: there are none."""
    return max((_in_channels(plug.module) for plug in model.plugs if isinstance(plug.operator, kind)), default=0)


def _in_channels(module: nn.Module) -> int:
    """Input channels of a convolution or of a block; 0 for a module without convolutions."""
    return next((conv.in_channels for conv in module.modules() if isinstance(conv, nn.Conv2d)), 0)
