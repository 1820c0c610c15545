"""How a model answers when the frames of a clip come in another order, or when there are more or fewer of them.

Every video is read once. The clip that ``test`` would show is permuted as a tensor, so nothing but the order changes,
and clips of other numbers of frames are read in the same go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spatempo.data.dataset import ClipDataset, usable_frames
from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.results.families import TIE
from spatempo.evaluation.running import device_of, eval_mode, logits_of
from spatempo.evaluation.scoring.loading import batches
from spatempo.evaluation.scoring.scores import Scores, score_views
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.sampling import clip_indices
from spatempo.inputs.spec import Preprocess

SHUFFLES = 5


@dataclass
class OrderResults:
    """Answers to the same videos under several orders and numbers of frames.

    Attributes:
        frames: T of the model's own clips.
        orders: name -> the frames shown, 0-based: ``ordered``, ``reversed``, ``frozen`` (the middle frame T times) and
            ``shuffled 1``, ...: the same few permutations for every video.
        by_order: the same names -> result.
        by_frames: number of frames -> result, in order; among them T.
        refused: number of frames that the design cannot take -> what it says.
        changed: videos whose scores change, beyond rounding, when the frames are shuffled or reversed.
        largest_change: of a score, as a share of the video's largest score.
        blind: the model sees no order: none changed, and none of a clip of noise does either.
    """

    frames: int
    orders: dict[str, tuple[int, ...]]
    by_order: dict[str, EvalResult]
    by_frames: dict[int, EvalResult]
    refused: dict[int, str]
    changed: int
    largest_change: float
    blind: bool

    @property
    def ordered(self) -> EvalResult:
        return self.by_order["ordered"]

    @property
    def shuffled(self) -> list[EvalResult]:
        return [found for name, found in self.by_order.items() if name.startswith("shuffled")]


def evaluate_orders(
    model: ClipClassifier,
    manifest: Manifest,
    *,
    seed: int = 0,
    batch_size: int = 8,
    workers: int = 0,
    progress: str = "",
) -> OrderResults:
    """Scores every video of `manifest` (one centre view) in several orders and with several numbers of frames.

    An average over frames is summed in another order for a shuffled clip, and differs in its last bits. Scores that
    differ from those in order by no more than that (`TIE` of the largest) are the same scores, and are counted as such:
    the answers of a model that sees no order are then identical, not nearly so.

    Args:
        model: with ``preprocess``, and ``classes`` if it has names; on its device. Put in eval mode for the time.
        manifest: its classes numbered as the model's (:func:`~spatempo.evaluation.scoring.loading.manifest_for`).
        seed: of the permutations.
        batch_size: videos at a time.
        workers: processes that read videos.
        progress: what the bar says; empty: none.

    Raises:
        SpatempoError: a model that takes one frame, or no video that can be read.
    """
    _, preprocess = view_plan(model)
    frames = preprocess.frames
    orders = frame_orders(frames, seed=seed)
    counts, refused = frame_counts(model, preprocess)
    results = {name: Scores(len(manifest.classes)) for name in (*orders, *counts)}
    changed, largest = 0, 0.0
    dataset = ClipsOfLengths(manifest, preprocess, counts)
    blind = not sees_order(model)
    with eval_mode(model), torch.inference_mode():
        for batch, clip in batches(dataset, batch_size, device_of(model), workers=workers, progress=progress):
            if clip is None:
                for scores in results.values():
                    scores.add_batch(batch, None)
                continue
            parts = dict(zip(counts, clip.split(list(counts), 2), strict=True))
            in_order = score_views(model, reorder(parts[frames], orders["ordered"]))
            moved = torch.zeros(len(clip), device=clip.device)
            for name, order in orders.items():
                score = in_order if name == "ordered" else score_views(model, reorder(parts[frames], order))
                if name != "frozen":
                    change = relative_change(score, in_order)
                    score = torch.where((change <= TIE)[:, None], in_order, score)
                    moved = moved.maximum(change)
                results[name].add_batch(batch, score)
            for count in counts:
                score = in_order if count == frames else score_views(model, parts[count])
                results[count].add_batch(batch, score)
            changed += int((moved > TIE).sum())
            largest = max(largest, float(moved.max()))
    paths = [sample.path for sample in manifest.samples]
    found = {name: scores.result(manifest.classes, paths=paths) for name, scores in results.items()}
    return OrderResults(
        frames=frames,
        orders=orders,
        by_order={name: found[name] for name in orders},
        by_frames={count: found[count] for count in counts},
        refused=refused,
        changed=changed,
        largest_change=largest,
        blind=blind and changed == 0,
    )


def frame_orders(frames: int, *, shuffles: int = SHUFFLES, seed: int = 0) -> dict[str, tuple[int, ...]]:
    """The orders that a clip of T frames is shown in; shuffles differ from each other and from the order itself.

    Raises:
        SpatempoError: one frame.
    """
    if frames < 2:
        raise SpatempoError(f"the model takes clips of {frames} frame, which has no order; give one that takes more")
    ordered = tuple(range(frames))
    orders = {"ordered": ordered, "reversed": ordered[::-1], "frozen": (frames // 2,) * frames}
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < min(shuffles, math.factorial(frames) - 1):
        order = tuple(rng.permutation(frames).tolist())
        if order != ordered:
            drawn[order] = None
    return orders | {f"shuffled {i}": order for i, order in enumerate(drawn, 1)}


def frame_counts(model: ClipClassifier, preprocess: Preprocess) -> tuple[list[int], dict[int, str]]:
    """Numbers of frames to try: 1, 2, 4, ... to twice the model's own, and its own; and those the design refuses, why.

    A design refuses by raising SpatempoError; a blank clip asks it.
    """
    frames = preprocess.frames
    tried = sorted({frames, *(2**k for k in range((2 * frames).bit_length()))})
    taken, refused = [], {}
    with eval_mode(model), torch.inference_mode():
        for count in tried:
            try:
                logits_of(model, torch.zeros(_clip_shape(preprocess, count), device=device_of(model)))
                taken.append(count)
            except SpatempoError as error:
                refused[count] = str(error)
    if frames in refused:
        raise SpatempoError(f"the model refuses clips of its own {frames} frames: {refused[frames]}")
    return taken, refused


def reorder(clip: Tensor, order: Sequence[int]) -> Tensor:
    """The frames `order` of clips ``[B, C, T, H, W]``, in the memory order in which clips come."""
    return clip[:, :, list(order)].contiguous(memory_format=torch.channels_last_3d)


def relative_change(score: Tensor, reference: Tensor) -> Tensor:
    """The largest difference between two scores ``[B, K]`` of a video, by its largest reference score: ``[B]``."""
    scale = reference.abs().amax(1).clamp_min(torch.finfo(reference.dtype).tiny)
    return (score - reference).abs().amax(1) / scale


def sees_order(model: ClipClassifier) -> bool:
    """Whether the scores of one clip of noise change with the order: videos in which nothing moves could not tell."""
    _, preprocess = view_plan(model)
    noise = torch.randn(_clip_shape(preprocess, preprocess.frames), generator=torch.Generator().manual_seed(0))
    noise = noise.to(device_of(model))
    orders = frame_orders(preprocess.frames)
    with eval_mode(model), torch.inference_mode():
        in_order = score_views(model, reorder(noise, orders["ordered"]))
        others = [score_views(model, reorder(noise, order)) for name, order in orders.items() if name != "frozen"]
    return any(float(relative_change(score, in_order)) > TIE for score in others)


def _clip_shape(preprocess: Preprocess, frames: int) -> tuple[int, ...]:
    return (1, preprocess.channels, frames, preprocess.size, preprocess.size)


class ClipsOfLengths(ClipDataset):
    """Videos, each as the clips that models of several numbers of frames would be shown, end to end.

    An item's ``clip`` is ``[C, sum(counts), size, size]``; the video is read once.
    """

    def __init__(self, manifest: Manifest, preprocess: Preprocess, counts: Sequence[int]) -> None:
        super().__init__(manifest, preprocess, train=False)
        self.counts = list(counts)

    def _load(self, source: Any, sample: Any, epoch: int, index: int) -> tuple[Tensor, int]:
        n = usable_frames(sample, source)
        asked = self.preprocess
        indices = [
            clip_indices(n, count, asked.sampling, window=asked.window, span=asked.span)[0] for count in self.counts
        ]
        return asked(source.read(np.concatenate(indices).tolist(), short_side=asked.short_side)), sample.label
