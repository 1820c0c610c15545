"""Temporal receptive field of a 3D network, worked out from its layers; right for parallel branches and pooling.

A layer of kernel k, stride s, padding p and dilation d over time computes output t from inputs ``s t - p`` to
``s t - p + (k - 1) d``: its extent is p frames back and ``(k - 1) d - p`` ahead. One after the other, extents add up,
each times the product of the strides before it. Side by side, the larger one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn


class Extent(NamedTuple):
    """Frames back and ahead that one output depends on, as the module gets them, and frames from output to output."""

    past: int = 0
    future: int = 0
    stride: int = 1


def temporal_extent(module: nn.Module) -> Extent:
    """The extent of a module.

    Layers over time and plain sequences are known. A module of other make that holds some of these must have a method
    ``temporal_paths() -> [[module, ...], ...]``: its parallel paths, each the modules that run one after the other.

    Raises:
        TypeError: a module with temporal layers does not say how they are connected, or paths have different strides.
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
            f"{type(module).__name__} has temporal layers and no temporal_paths() that tells how they are connected"
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
    """The temporal one of a setting that torch takes as a number or as three."""
    first = value[0] if isinstance(value, tuple | list) else value
    if not isinstance(first, int):
        raise TypeError(f"{value!r} does not say how many frames")
    return first
