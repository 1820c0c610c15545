"""Clips for training and evaluation, as a torch data set.

Randomness depends only on (seed, epoch, index): the sampled frames and the augmentation of a clip are the same in any
worker, with any number of workers, before and after a resume.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from spatempo.data._open import open_clip
from spatempo.data.cache import FrameCache
from spatempo.data.flip import check_flip_map
from spatempo.data.manifest import Manifest, Sample
from spatempo.data.transforms import TrainTransform
from spatempo.errors import SpatempoError, VideoError
from spatempo.inputs.sampling import random_clip_indices
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.tensors import collate_clips
from spatempo.inputs.views import FrameReader, load_views


class ClipDataset(Dataset[dict[str, Any]]):
    """The clips of a manifest.

    In training, an item is ``{"clip": [3, T, size, size], "label": int, "index": int}``. Get it by
    ``dataset[epoch, index]`` (a sampler that yields such pairs works with persistent workers) or by ``dataset[index]``
    with the epoch of :meth:`set_epoch`. In evaluation, an item has ``"clip": [V, 3, T, size, size]`` with
    V = clips x crops views (:func:`load_views`).

    An unreadable video gives ``{"error": "path: reason", "path", "reason", "index"}``. It is not replaced by another
    video; :func:`collate` returns the errors, and training and testing count them.

    Args:
        train: random frames and augmentation (True), or the views for evaluation (False).
        seed: random seed, from 0.
        transform: augmentation; default: ``TrainTransform(preprocess)``. Training only.
        cache: decoded frames of this manifest with the :attr:`short_side` of this data set.
        clips, crops: views per video. Evaluation only.
        backend: video reader, see :func:`spatempo.video.source.open_video`.
    """

    def __init__(
        self,
        manifest: Manifest,
        preprocess: Preprocess,
        *,
        train: bool,
        seed: int = 0,
        transform: TrainTransform | None = None,
        cache: FrameCache | None = None,
        clips: int = 1,
        crops: int = 1,
        backend: str = "auto",
    ) -> None:
        if transform is not None and not train:
            raise SpatempoError("a data set for evaluation has no augmentation; do not give transform")
        if transform is not None and transform.preprocess != preprocess:
            raise SpatempoError("the augmentation and the data set have different preprocessing; give both the same")
        if not 0 <= seed < 2**63:
            raise SpatempoError(f"seed is {seed}; give a whole number from 0")
        preprocess.crops(crops)
        self.manifest = manifest
        self.preprocess = preprocess
        self.train = train
        self.seed = seed
        self.transform = transform or (TrainTransform(preprocess) if train else None)
        self.clips = clips
        self.crops = crops
        self.backend = backend
        self.epoch = 0
        if self.transform is not None and isinstance(self.transform.flip, dict):
            check_flip_map(self.transform.flip, manifest.classes)
        self.cache = cache
        if cache is not None and cache.short_side != self.short_side:
            raise SpatempoError(
                f"the cache has frames with short side {cache.short_side}, this data set reads {self.short_side}; "
                "create the cache with the short_side of the data set"
            )

    @property
    def short_side(self) -> int:
        """Short side at which frames are read, pixels (smaller videos are not enlarged)."""
        return self.preprocess.short_side if self.transform is None else self.transform.short_side

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch for ``dataset[index]``. It has no effect on workers that are already running."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = map(int, key if isinstance(key, tuple) else (self.epoch, key))
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} is out of range; the data set has {len(self)} clips")
        sample = self.manifest.samples[index]
        try:
            with self._open(sample) as source:
                clip, label = self._load(source, sample, epoch, index)
        except VideoError as error:
            return {"error": str(error), "path": error.path, "reason": error.reason, "index": index}
        except OSError as error:
            reason = error.strerror or str(error)
            return {"error": f"{sample.path}: {reason}", "path": sample.path, "reason": reason, "index": index}
        return {"clip": clip, "label": label, "index": index}

    def _open(self, sample: Sample) -> Any:
        if self.cache is not None:
            return self.cache.open(sample)
        return open_clip(sample.path, self.manifest.template, self.backend, reads=self.preprocess.kind.reads)

    def _load(self, source: FrameReader, sample: Sample, epoch: int, index: int) -> tuple[torch.Tensor, int]:
        n = usable_frames(sample, source)
        if self.transform is None:
            return load_views(source, self.preprocess, self.clips, self.crops, frames=n), sample.label
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, epoch, index])))
        spec = self.preprocess
        indices = random_clip_indices(n, spec.frames, spec.sampling, rng, window=spec.window, span=spec.span)
        return self.transform(source.read(indices.tolist(), short_side=self.short_side), sample.label, rng)


def usable_frames(sample: Sample, source: FrameReader) -> int:
    """Returns the number of frames to use.

    For a frame folder this is the number in the table, because published results used only these frames. For a video
    file it is all frames, and the table must agree; otherwise it probably belongs to other files.

    Raises:
        VideoError: the table gives more frames than exist or, for a video file, a different number.
    """
    if sample.frames is None or sample.frames == source.frames:
        return source.frames
    if sample.frames < source.frames and os.path.isdir(sample.path):
        return sample.frames
    raise VideoError(
        sample.path,
        f"the table gives {sample.frames} frames, but {source.frames} can be read; correct it (`spatempo data scan`)",
    )


def collate(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Combines items into a batch.

    Returns:
        ``{"clip": [B, 3, T, H, W] (training) or [B, V, 3, T, H, W] (evaluation), "label": [B] int64, "index": [B]
        int64, "errors": ["path: reason"], "unreadable": [{"path", "reason", "index"}]}``. B is the number of
        readable videos. If it is 0, ``clip`` is an empty tensor. Training clips are ``channels_last_3d``.
    """
    good = [item for item in batch if "error" not in item]
    bad = [item for item in batch if "error" in item]
    clips = [item["clip"] for item in good]
    if not clips:
        clip = torch.empty(0)
    elif clips[0].ndim == 4:
        clip = collate_clips(clips)
    else:  # views: [V, 3, T, H, W] each, physically [V, T, H, W, 3]
        clip = torch.stack([views.permute(0, 2, 3, 4, 1) for views in clips]).permute(0, 1, 5, 2, 3, 4)
    return {
        "clip": clip,
        "label": torch.tensor([item["label"] for item in good], dtype=torch.int64),
        "index": torch.tensor([item["index"] for item in good], dtype=torch.int64),
        "errors": [item["error"] for item in bad],
        "unreadable": [{"path": item["path"], "reason": item["reason"], "index": item["index"]} for item in bad],
    }
