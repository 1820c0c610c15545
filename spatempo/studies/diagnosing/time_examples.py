"""Example videos for `diagnose`: which frames and regions of a clip influence the prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spatempo.data.dataset import ClipDataset
from spatempo.data.manifest import Manifest
from spatempo.evaluation.order.grad_cam import grad_cam
from spatempo.evaluation.order.occlusion import occlude_frames
from spatempo.evaluation.order.orders import OrderResults
from spatempo.evaluation.running import device_of
from spatempo.inputs.spec import Preprocess
from spatempo.models.video_model import VideoModel
from spatempo.report.film import Strip

SIDE = 96  # pixels; small, since the page embeds all frames


def choose_videos(found: OrderResults, manifest: Manifest, max_videos: int = 5) -> list[int]:
    """Chooses example videos; returns their indices in the manifest.

    Videos that are correct in order and wrong in most shuffles come first, then other correct ones; at most one per
    class, or per pair of classes. The last one is a video that is wrong in order, if there is one.
    """
    result = found.ordered
    correct = result.predictions == result.labels
    correct_shuffled = np.mean([shuffled.predictions == result.labels for shuffled in found.shuffled], 0)
    failed = [int(i) for i in result.indices[~correct][:1]]
    chosen: dict[str, int] = {}
    # a stable sort: among equals the first of the manifest, so the page is the same every time
    for row in sorted(np.flatnonzero(correct), key=lambda row: correct_shuffled[row] >= 0.5):
        sample = manifest.samples[result.indices[row]]
        topic = sample.pair or f"class {sample.label}"
        if len(chosen) < max_videos - len(failed):
            chosen.setdefault(topic, int(result.indices[row]))
    return [*chosen.values(), *failed]


def clips_at(manifest: Manifest, model: VideoModel, indices: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
    """Yields (index, clip ``[1, C, T, H, W]`` preprocessed for the model), one at a time."""
    dataset = ClipDataset(manifest, model.preprocess, train=False)
    for index in indices:
        item = dataset[index]
        if "clip" in item:
            yield index, item["clip"].to(device_of(model))


def strip_of(model: VideoModel, clip: Tensor, manifest: Manifest, index: int, found: OrderResults) -> Strip:
    """Frames of a clip, with Grad-CAM for the true class and the drop of its score when a frame is replaced."""
    sample, classes = manifest.samples[index], manifest.classes
    shown = {"in order": "ordered", "shuffled": "shuffled 1", "reversed": "reversed"}
    predictions = {}
    for words, name in shown.items():
        result = found.by_order[name]
        predictions[words] = classes[int(result.predictions[result.indices == index][0])]
    heat = grad_cam(model, clip, sample.label)
    return Strip(
        title=classes[sample.label] + (f" ({sample.family})" if sample.family else ""),
        frames=frames_as_images(clip[0], model.preprocess),
        truth=classes[sample.label],
        predictions=predictions,
        heat=_small(heat[:, None])[:, 0].numpy(),
        drops=occlude_frames(model, clip, sample.label).tolist(),
    )


def frames_as_images(clip: Tensor, preprocess: Preprocess) -> np.ndarray:
    """RGB frames of a preprocessed clip ``[3, T, H, W]``: uint8 ``[T, h, w, 3]``, at most `SIDE` pixels high."""
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (preprocess.mean, preprocess.std))
    frames = (clip.cpu() * std + mean).transpose(0, 1)
    return (255 * _small(frames).clamp(0, 1)).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _small(images: Tensor) -> Tensor:
    side = min(SIDE, images.shape[-1])
    return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
