"""Evaluate a model on clips with reordered frames, and with more or fewer frames.

Every video is read once. The clip of ``test`` is permuted as a tensor, so only the order changes. Clips with other
numbers of frames are read at the same time.
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
    """Results on the same videos with several frame orders and numbers of frames.

    Attributes:
        frames: T, the number of frames of the model's clips.
        orders: name -> frame indices, 0-based: ``ordered``, ``reversed``, ``frozen`` (the middle frame T times) and
            ``shuffled 1``, ... The permutations are the same for every video.
        by_order: name of the order -> result.
        by_frames: number of frames -> result with ordered frames, including T.
        refused: number of frames that the design does not support -> error message.
        changed: number of videos whose scores change by more than rounding with shuffled or reversed frames.
        largest_change: largest change of a score, as a fraction of the video's largest score.
        order_blind: the model is order-blind: its scores change neither on these videos nor on a clip of noise.
    """

    frames: int
    orders: dict[str, tuple[int, ...]]
    by_order: dict[str, EvalResult]
    by_frames: dict[int, EvalResult]
    refused: dict[int, str]
    changed: int
    largest_change: float
    order_blind: bool

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
    """Score every video of `manifest` (one centre view) with several frame orders and numbers of frames.

    The mean over frames of a shuffled clip is summed in another order, so its last bits differ. Score differences up to
    `TIE` times the largest score are treated as rounding and set to zero. So the predictions of an order-blind model
    are identical for all orders.

    Args:
        model: a :class:`~spatempo.evaluation.classifier.ClipClassifier`, on its device. It is in eval mode during the
            call.
        manifest: videos whose class indices are those of the model
            (:func:`~spatempo.evaluation.scoring.loading.manifest_for`).
        seed: random seed of the permutations.
        batch_size: videos per batch.
        workers: processes that read videos.
        progress: label of the progress bar; empty: no bar.

    Raises:
        SpatempoError: the model takes clips of one frame, or no video can be read.
    """
    _, preprocess = view_plan(model)
    frames = preprocess.frames
    orders = frame_orders(frames, seed=seed)
    counts, refused = supported_frame_counts(model, preprocess)
    results = {name: Scores(len(manifest.classes)) for name in (*orders, *counts)}
    changed, largest = 0, 0.0
    dataset = MultiLengthDataset(manifest, preprocess, counts)
    blind = not depends_on_order(model)
    with eval_mode(model), torch.inference_mode():
        for batch, clip in batches(dataset, batch_size, device_of(model), workers=workers, progress=progress):
            if clip is None:
                for scores in results.values():
                    scores.add_batch(batch, None)
                continue
            parts = dict(zip(counts, clip.split(list(counts), 2), strict=True))
            in_order = score_views(model, reorder(parts[frames], orders["ordered"]))
            largest_of_video = torch.zeros(len(clip), device=clip.device)
            for name, order in orders.items():
                score = in_order if name == "ordered" else score_views(model, reorder(parts[frames], order))
                if name != "frozen":
                    change = relative_change(score, in_order)
                    score = torch.where((change <= TIE)[:, None], in_order, score)
                    largest_of_video = largest_of_video.maximum(change)
                results[name].add_batch(batch, score)
            for count in counts:
                score = in_order if count == frames else score_views(model, parts[count])
                results[count].add_batch(batch, score)
            changed += int((largest_of_video > TIE).sum())
            largest = max(largest, float(largest_of_video.max()))
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
        order_blind=blind and changed == 0,
    )


def frame_orders(frames: int, *, shuffles: int = SHUFFLES, seed: int = 0) -> dict[str, tuple[int, ...]]:
    """Frame orders for a clip of T frames. Shuffles differ from each other and from the original order.

    Raises:
        SpatempoError: the clip has one frame.
    """
    if frames < 2:
        raise SpatempoError(
            f"the model takes clips of {frames} frame, which have no order; choose a model with more frames"
        )
    ordered = tuple(range(frames))
    orders = {"ordered": ordered, "reversed": ordered[::-1], "frozen": (frames // 2,) * frames}
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < min(shuffles, math.factorial(frames) - 1):
        order = tuple(rng.permutation(frames).tolist())
        if order != ordered:
            drawn[order] = None
    return orders | {f"shuffled {i}": order for i, order in enumerate(drawn, 1)}


def supported_frame_counts(model: ClipClassifier, preprocess: Preprocess) -> tuple[list[int], dict[int, str]]:
    """Numbers of frames that the model supports, and the error message for each number that it does not support.

    Tries 1, 2, 4, ... up to twice the model's own number of frames, and this number itself, on a blank clip. A design
    rejects a number of frames by raising SpatempoError.
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
        raise SpatempoError(f"the model does not accept clips of its own {frames} frames: {refused[frames]}")
    return taken, refused


def reorder(clip: Tensor, order: Sequence[int]) -> Tensor:
    """Reorder the frames of clips ``[B, C, T, H, W]``, in channels_last_3d memory format."""
    return clip[:, :, list(order)].contiguous(memory_format=torch.channels_last_3d)


def relative_change(score: Tensor, reference: Tensor) -> Tensor:
    """Largest difference of two scores ``[B, K]`` per video, relative to its largest reference score: ``[B]``."""
    scale = reference.abs().amax(1).clamp_min(torch.finfo(reference.dtype).tiny)
    return (score - reference).abs().amax(1) / scale


def depends_on_order(model: ClipClassifier) -> bool:
    """Whether the scores of a clip of noise change with the frame order.

    Noise is used because frame order has no effect on videos without motion.
    """
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


class MultiLengthDataset(ClipDataset):
    """Clips of each video with several numbers of frames, concatenated along time.

    The ``clip`` of an item is ``[C, sum(counts), size, size]``. Each video is read once.
    """

    def __init__(self, manifest: Manifest, preprocess: Preprocess, counts: Sequence[int]) -> None:
        super().__init__(manifest, preprocess, train=False)
        self.counts = list(counts)

    def _load(self, source: Any, sample: Any, epoch: int, index: int) -> tuple[Tensor, int]:
        n = usable_frames(sample, source)
        spec = self.preprocess
        indices = [
            clip_indices(n, count, spec.sampling, window=spec.window, span=spec.span)[0] for count in self.counts
        ]
        return spec(source.read(np.concatenate(indices).tolist(), short_side=spec.short_side)), sample.label
