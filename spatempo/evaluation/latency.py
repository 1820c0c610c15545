"""How long a model takes for one clip, measured so that the number can be repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from spatempo.evaluation.classifier import input_of
from spatempo.evaluation.running import device_of, eval_mode


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one forward pass, and under which conditions.

    Attributes:
        ms: median of the runs.
        low, high: fastest and slowest run.
        runs: how many, after warm-up.
        batch, frames, size: the input, ``[batch, 3, frames, size, size]``.
        threads: CPU threads of one operator (``torch.get_num_threads()``).
        device: where it ran.
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
    """Times the forward pass on random input, where the model is, in eval mode and without gradients.

    Args:
        model: a video model, another :class:`~spatempo.evaluation.classifier.ClipClassifier`, or any network for clips.
        frames, size: of the clip; None: ``model.preprocess``'s, or 8 frames of 224 pixels where it has none.
        batch: clips in one pass.
        runs: timed passes, at least 1; the median is not moved by one that something else disturbed.
        warmup: passes before (lazy initialisation, kernel choice, caches).
    """
    preprocess = input_of(model)
    length: int = frames or (preprocess.frames if preprocess else 8)
    side: int = size or (preprocess.size if preprocess else 224)
    device = device_of(model)
    # the memory order that preprocessing gives: channels_last_3d
    channels = preprocess.channels if preprocess else 3
    clip = torch.randn(batch, length, side, side, channels, device=device).permute(0, 4, 1, 2, 3)
    times = []
    with eval_mode(model), torch.inference_mode():
        for _ in range(warmup):
            model(clip)
        for _ in range(max(1, runs)):
            _wait(device)
            start = time.perf_counter()
            model(clip)
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
    """Median milliseconds for one clip; see :func:`measure_latency` for the conditions."""
    return measure_latency(model, frames, size, runs=runs).ms


def _wait(device: torch.device) -> None:
    """Devices work asynchronously: a pass is over only when they say so."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
