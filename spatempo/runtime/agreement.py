"""Comparison of an exported model with the model itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.inputs.views import load_views
from spatempo.models.video_model import VideoModel
from spatempo.runtime.spec import ExportSpec
from spatempo.video.source import open_video

BATCHES = (1, 2, 3)


@dataclass(frozen=True)
class Difference:
    """Largest difference of logits, absolute and as a fraction of the largest logit, over `random` random clips."""

    absolute: float
    relative: float
    random: int


def real_clips(model: VideoModel, videos: Sequence[str | os.PathLike[str]]) -> list[Tensor]:
    """One clip ``[1, C, T, H, W]`` per video, as the model gets it.

    Raises:
        VideoError: a video cannot be read.
    """
    clips = []
    for video in videos:
        with open_video(os.fspath(video), reads=model.preprocess.kind.reads) as source:
            clips.append(load_views(source, model.preprocess))
    return clips


@torch.no_grad()
def compare_clips(engine: Any, model: VideoModel, spec: ExportSpec, clips: Sequence[Tensor]) -> Difference:
    """Compares ``engine(clip)`` with ``model(clip)``: batches of 1, 2 and 3, every T that is tried, and real clips.

    Args:
        engine: the exported model; it gives arrays or tensors.
        model: float32, on the CPU, in eval mode.
        spec: of the exported model.
        clips: real clips.
    """
    tried = [*_random_clips(spec), *clips]
    return _difference(((model(clip), engine(clip)) for clip in tried), len(tried) - len(clips))


@torch.no_grad()
def compare_steps(engine: Any, model: VideoModel, spec: ExportSpec, clips: Sequence[Tensor]) -> Difference:
    """Compares the running logits of every step, over clips of one stream, of two and of three."""
    tried = [*_random_clips(spec, frames=max(8, 2 * model.step_frames)), *clips]
    return _difference(_steps(engine, model, tried), len(tried) - len(clips))


def _steps(engine: Any, model: VideoModel, tried: Sequence[Tensor]) -> Iterator[tuple[Tensor, Any]]:
    step = getattr(engine, "step", engine)  # a program in torch takes the same arguments
    for clip in tried:
        state = model.init_state(len(clip))
        exported: Any = engine.init_state(len(clip)) if hasattr(engine, "init_state") else state
        for frames in clip.split(model.step_frames, 2):
            if frames.shape[2] < model.step_frames:
                break
            wanted, state = model.step(frames, state)
            logits, exported = step(frames, exported)
            yield wanted, logits


def _random_clips(spec: ExportSpec, frames: int | None = None) -> Iterator[Tensor]:
    """Noise of the input's size; T is the usual one, one more, and twice as many, where the model takes these."""
    taken = spec.input
    generator = torch.Generator().manual_seed(0)
    counts = (
        [frames] * 3 if frames else [t for t in (taken.frames, taken.frames + 1, 2 * taken.frames) if spec.takes(t)]
    )
    for batch, count in zip(BATCHES, counts * len(BATCHES), strict=False):
        yield torch.randn(batch, taken.channels, count, taken.size, taken.size, generator=generator)


def _difference(pairs: Iterator[tuple[Tensor, Any]], random: int) -> Difference:
    absolute = relative = 0.0
    for wanted, found in pairs:
        found = torch.as_tensor(found)
        if found.shape != wanted.shape:
            raise SpatempoError(f"the exported model gives {list(found.shape)}, the model {list(wanted.shape)}")
        apart = float((found - wanted).abs().max())
        largest = float(wanted.abs().max())
        if not apart < float("inf"):
            return Difference(apart, float("inf"), random)
        absolute, relative = max(absolute, apart), max(relative, apart / max(largest, 1e-30))
    return Difference(absolute, relative, random)
