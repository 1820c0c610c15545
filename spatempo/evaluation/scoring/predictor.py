"""Predict the classes of videos in steps: from a video to views, from views to probabilities, and to labels.

For programs that process many videos: threads decode in parallel and call the model one at a time::

    predictor = Predictor(model)
    with ThreadPoolExecutor(4) as threads:
        labels = list(threads.map(predictor, videos))
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.evaluation.arrays import softmax, to_array
from spatempo.evaluation.classifier import ClipClassifier, class_names
from spatempo.evaluation.running import inference, is_tensor, is_torch_module, lock_of
from spatempo.evaluation.scoring.protocols import Protocol
from spatempo.evaluation.scoring.scores import score_views
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.views import ArrayFrames, load_views, view_array
from spatempo.limits import check_number
from spatempo.video.source import TIMEOUT, open_video

if TYPE_CHECKING:
    from torch import Tensor

Video: TypeAlias = "str | os.PathLike[str] | Tensor | np.ndarray"
Labels = list[dict[str, Any]]
CHUNK = 16  # views in one call of the model, as in `test`, so that memory is bounded


class Predictor:
    """Reads and scores videos with the same preprocessing and scores as ``test``.

    Several threads can share a predictor. :meth:`decode` runs in parallel. :meth:`score` acquires a lock that all
    predictors of the same model share. Direct calls of the model do not acquire this lock.

    Views and scores are tensors for a torch module, and numpy arrays for any other model.

    Args:
        model: a video model, an exported model (:func:`spatempo.load_engine`), or another
            :class:`~spatempo.evaluation.classifier.ClipClassifier`. If its ``classes`` are None, labels are numbers. A
            torch module stays on its device and is in eval mode while it scores.
        protocol: name of a published protocol, or a :class:`~spatempo.evaluation.scoring.protocols.Protocol`; None:
            `clips` x `crops` views.
        clips, crops: clips per video and crops per clip, 1 by default; cannot be combined with `protocol`.
        timeout: time limit for an address in seconds, see :func:`spatempo.video.source.open_video`.

    Raises:
        SpatempoError: counts or protocol are invalid, or the model has no input specification.
    """

    def __init__(
        self,
        model: ClipClassifier,
        protocol: str | Protocol | None = None,
        clips: int | None = None,
        crops: int | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.model = model
        self.protocol, self.preprocess = view_plan(model, protocol, clips, crops)
        self.timeout = timeout
        self._lock = lock_of(model)

    def __call__(self, video: Video, top: int = 5) -> Labels:
        """Predict the `top` best classes of a video: ``[{"label", "score"}]``, the best class first.

        Raises:
            SpatempoError: frames or `top` are invalid, or scores are not finite.
            VideoError: the video cannot be read.
        """
        check_number("top", top)
        scores = to_array(self.score(self.decode(video)))
        names = class_names(self.model, len(scores))
        best = np.argsort(-scores, kind="stable")[:top]  # among equal scores, the first class
        return [{"label": names[k], "score": float(scores[k])} for k in best]

    def decode(self, video: Video) -> Tensor | np.ndarray:
        """Read the views of a video, preprocessed for the model.

        Args:
            video: a file, a folder of frames, an address that the decoder can open, or uint8 RGB frames
                ``[T, H, W, 3]``. For an optical flow model: a folder of flow, or uint8 ``[T, H, W, 2]``.

        Returns:
            Float32 ``[V, C, T, H, W]`` on the CPU, normalised, V = clips x crops.

        Raises:
            SpatempoError: the frames are invalid.
            VideoError: the video cannot be read.
        """
        preprocess, clips, crops = self.preprocess, self.protocol.clips, self.protocol.crops
        load = load_views if is_torch_module(self.model) else view_array
        if isinstance(video, np.ndarray) or is_tensor(video):
            return load(ArrayFrames(video, preprocess.modality), preprocess, clips, crops)
        if not isinstance(video, str | os.PathLike):
            raise SpatempoError(
                f"a video must be a path, an address or uint8 frames [T, H, W, {preprocess.read_channels}], got "
                f"{type(video).__name__}"
            )
        with open_video(os.fspath(video), reads=preprocess.kind.reads, timeout=self.timeout) as source:
            return load(source, preprocess, clips, crops)

    def score(self, views: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Compute class probabilities, averaged over the views of a video by the rule of the protocol.

        Args:
            views: float ``[V, C, T, H, W]`` of one video (from :meth:`decode`), or ``[N, V, C, T, H, W]`` of N videos
                with the same number of views.

        Returns:
            Float32 ``[K]``, or ``[N, K]``, on the CPU; each row sums to 1.

        Raises:
            SpatempoError: `views` has another shape or type, or scores are not finite.
        """
        self._check(views)
        batch = views if views.ndim == 6 else views[None]
        with self._lock, inference(self.model):
            logits = to_array(score_views(self.model, batch, chunk=CHUNK, average=self.protocol.average))
        if not np.isfinite(logits).all():
            raise SpatempoError("the scores are not finite: the model has diverged; load an earlier checkpoint")
        scores = softmax(logits) if views.ndim == 6 else softmax(logits)[0]
        if not is_torch_module(self.model):
            return scores
        from spatempo.inputs.tensors import as_tensor

        return as_tensor(scores)

    def _check(self, views: Tensor | np.ndarray) -> None:
        channels = self.preprocess.channels
        kind = str(views.dtype).removeprefix("torch.")
        fits = kind.lstrip("b").startswith("float") and views.ndim in (5, 6) and views.shape[-4] == channels
        if not fits or 0 in views.shape:
            raise SpatempoError(
                f"views are {views.dtype} {list(views.shape)}; give the output of decode(), float "
                f"[V, {channels}, T, H, W], or a stack of several, [N, V, {channels}, T, H, W]"
            )
