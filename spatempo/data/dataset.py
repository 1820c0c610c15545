"""Clips for training and evaluation, as a torch data set.

Chance enters by (seed, epoch, index) alone: the frames drawn and the augmentation of a clip are the same in whichever
worker it is loaded, with however many workers, before or after a resume.
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

    An item of the training set is ``{"clip": [3, T, size, size], "label": int, "index": int}``, asked for by
    ``dataset[epoch, index]`` (a sampler that knows the epoch yields such pairs, which also reach workers that live on
    from epoch to epoch) or, with the epoch of :meth:`set_epoch`, by ``dataset[index]``. One of the evaluation set has
    ``"clip": [V, 3, T, size, size]`` with V = clips x crops views (:func:`load_views`).

    A video that cannot be read gives ``{"error": "path: reason", "path", "reason", "index"}``. No other video takes its
    place; :func:`collate` hands the errors on, and whoever trains or tests counts them.

    Args:
        train: random frames and augmentation, or the evaluation's views.
        seed: from 0.
        transform: the augmentation; by default ``TrainTransform(preprocess)``. Training only.
        cache: decoded frames of this manifest at this data set's :attr:`short_side`.
        clips, crops: views of a video. Evaluation only.
        backend: which reader, see :func:`spatempo.video.source.open_video`.
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
            raise SpatempoError("a data set for evaluation takes no augmentation; leave transform out")
        if transform is not None and transform.preprocess != preprocess:
            raise SpatempoError("the augmentation is for another preprocessing than the data set's; make them alike")
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
                f"the cache holds frames of short side {cache.short_side}, this data set reads {self.short_side}; "
                "make the cache with the data set's short_side"
            )

    @property
    def short_side(self) -> int:
        """Short side at which frames are read, pixels (smaller videos are read as they are)."""
        return self.preprocess.short_side if self.transform is None else self.transform.short_side

    def set_epoch(self, epoch: int) -> None:
        """The epoch of items asked for by a bare index. Does not reach workers that are already running."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = map(int, key if isinstance(key, tuple) else (self.epoch, key))
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
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
        fed = self.preprocess
        indices = random_clip_indices(n, fed.frames, fed.sampling, rng, window=fed.window, span=fed.span)
        return self.transform(source.read(indices.tolist(), short_side=self.short_side), sample.label, rng)


def usable_frames(sample: Sample, source: FrameReader) -> int:
    """How many frames of the recording count.

    A frame folder counts as far as its list says: published lists number the frames that their results were made with.
    A video file counts as a whole, and the table must agree: it says so where the table belongs to other files.

    Raises:
        VideoError: the table says more frames than there are, or, of a video file, another number.
    """
    if sample.frames is None or sample.frames == source.frames:
        return source.frames
    if sample.frames < source.frames and os.path.isdir(sample.path):
        return sample.frames
    raise VideoError(
        sample.path,
        f"the table says {sample.frames} frames, {source.frames} can be read; correct the table (data scan writes one)",
    )


def collate(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Items to a batch.

    Returns:
        ``{"clip": [B, 3, T, H, W] (training) or [B, V, 3, T, H, W] (evaluation), "label": [B] int64, "index": [B]
        int64, "errors": ["path: reason"], "unreadable": [{"path", "reason", "index"}]}``. B counts the videos that
        could be read; it can be 0, and ``clip`` is then an empty tensor. Training clips are ``channels_last_3d``.
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
