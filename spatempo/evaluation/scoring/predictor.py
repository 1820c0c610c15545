"""Labels videos, step by step: from a video to its views, from views to probabilities, from probabilities to labels.

For programs that serve many videos: threads decode side by side, and take turns at the model::

    predictor = Predictor(model)
    with ThreadPoolExecutor(4) as threads:
        labels = list(threads.map(predictor, videos))
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.evaluation.classifier import ClipClassifier, class_names
from spatempo.evaluation.running import device_of, eval_mode, lock_of
from spatempo.evaluation.scoring.protocols import Protocol
from spatempo.evaluation.scoring.scores import score_views
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.views import ArrayFrames, load_views
from spatempo.limits import check_number
from spatempo.video.source import TIMEOUT, open_video

Video = str | os.PathLike[str] | Tensor | np.ndarray
Labels = list[dict[str, Any]]
CHUNK = 16  # views in one call of the model, as in `test`, so that memory is bounded


class Predictor:
    """Reads and scores videos exactly as ``test`` does.

    Threads may share one: :meth:`decode` runs in parallel, :meth:`score` takes the lock of the model, which all
    predictors of that model share. Other calls of the model do not take it.

    Args:
        model: a video model, or another :class:`~spatempo.evaluation.classifier.ClipClassifier`; its ``classes`` may be
            None, and labels are then numbers. A torch module stays on its device and is in eval mode while it scores.
        protocol: a published one by name, or your own; None: `clips` x `crops`.
        clips, crops: views of a video, 1 x 1 by default; not together with `protocol`.
        timeout: seconds that an address may take, see :func:`spatempo.video.source.open_video`.

    Raises:
        SpatempoError: counts or a protocol that cannot be used, a model without input specification.
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
        """The `top` best classes of a video, ``[{"label", "score"}]``, the best first.

        Raises:
            SpatempoError: frames or a number that cannot be used; scores that are not finite.
            VideoError: the video cannot be read.
        """
        check_number("top", top)
        scores = self.score(self.decode(video))
        names = class_names(self.model, len(scores))
        best = scores.topk(min(top, len(scores)))
        return [
            {"label": names[k], "score": s} for s, k in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def decode(self, video: Video) -> Tensor:
        """The views of a video, as the model gets them.

        Args:
            video: a file, a frame folder, an address that the decoder can open, or uint8 frames ``[T, H, W, 3]`` (RGB);
                for a model of optical flow a folder of flow, or uint8 ``[T, H, W, 2]``.

        Returns:
            Float32 ``[V, C, T, H, W]`` on the CPU, normalised, V = clips x crops.

        Raises:
            SpatempoError: frames that cannot be used.
            VideoError: the video cannot be read.
        """
        preprocess, clips, crops = self.preprocess, self.protocol.clips, self.protocol.crops
        if isinstance(video, Tensor | np.ndarray):
            return load_views(ArrayFrames(video, preprocess.modality), preprocess, clips, crops)
        if not isinstance(video, str | os.PathLike):
            raise SpatempoError(
                f"a video is a path, an address or uint8 frames [T, H, W, {preprocess.read_channels}], got "
                f"{type(video).__name__}"
            )
        with open_video(os.fspath(video), reads=preprocess.kind.reads, timeout=self.timeout) as source:
            return load_views(source, preprocess, clips, crops)

    def score(self, views: Tensor | np.ndarray) -> Tensor:
        """Probabilities of the classes, the views of a video averaged as the protocol says.

        Args:
            views: float ``[V, C, T, H, W]`` of one video (:meth:`decode`), or ``[N, V, C, T, H, W]`` of several with
                the same number of views.

        Returns:
            Float32 ``[K]``, or ``[N, K]``, on the CPU; each row sums to 1.

        Raises:
            SpatempoError: `views` of another shape or type; scores that are not finite.
        """
        views = torch.as_tensor(views)
        self._check(views)
        batch = views if views.ndim == 6 else views[None]
        with self._lock, eval_mode(self.model), torch.inference_mode():
            batch = batch.to(device_of(self.model))
            logits = score_views(self.model, batch, chunk=CHUNK, average=self.protocol.average).cpu()
        if not logits.isfinite().all():
            raise SpatempoError("the scores are not finite: the model has diverged; load an earlier checkpoint")
        scores = logits.softmax(1)
        return scores if views.ndim == 6 else scores[0]

    def _check(self, views: Tensor) -> None:
        channels = self.preprocess.channels
        fits = views.is_floating_point() and views.ndim in (5, 6) and views.shape[-4] == channels
        if not fits or not views.numel():
            raise SpatempoError(
                f"views are {views.dtype} {list(views.shape)}; give what decode() returns, float "
                f"[V, {channels}, T, H, W], or several stacked, [N, V, {channels}, T, H, W]"
            )
