"""Temporal receptive field of a 3D network, computed from its layers, including parallel branches and pooling.

A layer with temporal kernel k, stride s, padding p and dilation d computes output t from inputs ``s t - p`` to
``s t - p + (k - 1) d``. Its extent is p frames into the past and ``(k - 1) d - p`` into the future. The extents of
consecutive layers add up, each multiplied by the product of the strides before it. For parallel paths the larger extent
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn


class Extent(NamedTuple):
    """Numbers of past and future input frames that one output depends on, and the stride in frames."""

    past: int = 0
    future: int = 0
    stride: int = 1


def temporal_extent(module: nn.Module) -> Extent:
    """The temporal extent of a module.

    Temporal layers and ``nn.Sequential`` are supported. Any other module that contains temporal layers must have a
    method ``temporal_paths() -> [[module, ...], ...]``, which returns its parallel paths as lists of modules that run
    one after the other.

    Raises:
        TypeError: a module with temporal layers has no ``temporal_paths``, or its paths have different strides.
    """
    paths = getattr(module, "temporal_paths", None)
    if paths is not None:
        return _parallel([_sequence(path) for path in paths()], module)
    if isinstance(module, nn.Sequential):
        return _sequence(list(module.children()))
    if isinstance(module, nn.Conv3d | nn.MaxPool3d | nn.AvgPool3d):
        kernel, padding = _time(module.kernel_size), _time(module.padding)
        stride = _time(module.stride if module.stride is not None else module.kernel_size)
        reached = (kernel - 1) * _time(getattr(module, "dilation", 1))
        return Extent(padding, reached - padding, stride)
    if any(temporal_extent(child) != Extent() for child in module.children()):
        raise TypeError(
            f"{type(module).__name__} has temporal layers and no temporal_paths(), which returns how they are connected"
        )
    return Extent()


def _sequence(modules: Sequence[nn.Module]) -> Extent:
    past, future, jump = 0, 0, 1
    for module in modules:
        extent = temporal_extent(module)
        past += jump * extent.past
        future += jump * extent.future
        jump *= extent.stride
    return Extent(past, future, jump)


def _parallel(paths: Sequence[Extent], module: nn.Module) -> Extent:
    if len({path.stride for path in paths}) > 1:
        raise TypeError(f"the parallel paths of {type(module).__name__} have different temporal strides: {paths}")
    return Extent(max(p.past for p in paths), max(p.future for p in paths), paths[0].stride)


def _time(value: object) -> int:
    """The temporal value of a setting that is one number or three."""
    first = value[0] if isinstance(value, tuple | list) else value
    if not isinstance(first, int):
        raise TypeError(f"{value!r} is not a whole number of frames")
    return first
