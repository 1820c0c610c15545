"""Latency of a forward pass, measured so that the number is repeatable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from spatempo.evaluation.classifier import preprocess_of
from spatempo.evaluation.running import device_of, eval_mode, is_torch_module


@dataclass(frozen=True)
class Latency:
    """Latency of one forward pass in milliseconds, and the conditions of the measurement.

    Attributes:
        ms: median of the timed passes.
        low, high: fastest and slowest pass.
        runs: number of timed passes, after warm-up.
        batch, frames, size: shape of the input, ``[batch, 3, frames, size, size]``.
        threads: CPU threads per PyTorch operation (``torch.get_num_threads()``).
        device: device of the model.
    """

    ms: float
    low: float
    high: float
    runs: int
    batch: int
    frames: int
    size: int
    threads: int
    device: str

    def __str__(self) -> str:
        where = f"{self.threads} threads" if self.device == "cpu" else self.device
        clip = f"{self.batch} x {self.frames} frames of {self.size} pixels"
        return f"{self.ms:.1f} ms ({self.low:.1f} to {self.high:.1f} in {self.runs} runs; {clip}, {where})"


def measure_latency(
    model: Callable[[Tensor], Any],
    frames: int | None = None,
    size: int | None = None,
    *,
    batch: int = 1,
    runs: int = 10,
    warmup: int = 3,
) -> Latency:
    """Measure the forward pass on random input, on the model's device, in eval mode and without gradients.

    Args:
        model: a video model, another :class:`~spatempo.evaluation.classifier.ClipClassifier`, or any network for clips.
        frames, size: shape of the clip; None: taken from ``model.preprocess``, or 8 frames of 224 pixels without one.
        batch: clips per pass.
        runs: timed passes, at least 1. The median is robust to single passes that another process slows down.
        warmup: untimed passes before the measurement (lazy initialisation, kernel selection, caches).
    """
    preprocess = preprocess_of(model)
    length: int = frames or (preprocess.frames if preprocess else 8)
    side: int = size or (preprocess.size if preprocess else 224)
    device = device_of(model)
    # channels_last_3d, the memory format of preprocessed clips
    channels = preprocess.channels if preprocess else 3
    clip = torch.randn(batch, length, side, side, channels, device=device).permute(0, 4, 1, 2, 3)
    given: Any = clip if is_torch_module(model) else clip.numpy()
    times = []
    with eval_mode(model), torch.inference_mode():
        for _ in range(warmup):
            model(given)
        for _ in range(max(1, runs)):
            _wait(device)
            start = time.perf_counter()
            model(given)
            _wait(device)
            times.append(1000 * (time.perf_counter() - start))
    return Latency(
        ms=median(times),
        low=min(times),
        high=max(times),
        runs=len(times),
        batch=batch,
        frames=length,
        size=side,
        threads=torch.get_num_threads(),
        device=str(device),
    )


def latency_ms(
    model: Callable[[Tensor], Any], frames: int | None = None, size: int | None = None, *, runs: int = 10
) -> float:
    """Median latency for one clip, in milliseconds; see :func:`measure_latency` for the conditions."""
    return measure_latency(model, frames, size, runs=runs).ms


def _wait(device: torch.device) -> None:
    """Wait until the device has finished: accelerators run asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
