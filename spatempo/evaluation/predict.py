"""Labels videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.evaluation.plan import view_plan
from spatempo.evaluation.protocols import Protocol
from spatempo.evaluation.scores import eval_mode, score_views
from spatempo.inputs.views import ArrayFrames, load_views
from spatempo.limits import check_number
from spatempo.video.source import TIMEOUT, open_video

Video = str | os.PathLike[str] | Tensor | np.ndarray
Labels = list[dict[str, Any]]


@overload
def predict(
    model: nn.Module,
    video: Video,
    *,
    top: int = 5,
    clips: int | None = None,
    crops: int | None = None,
    protocol: str | Protocol | None = None,
    timeout: float = TIMEOUT,
) -> Labels: ...
@overload
def predict(
    model: nn.Module,
    video: Sequence[Video],
    *,
    top: int = 5,
    clips: int | None = None,
    crops: int | None = None,
    protocol: str | Protocol | None = None,
    timeout: float = TIMEOUT,
) -> list[Labels]: ...
def predict(
    model: nn.Module,
    video: Video | Sequence[Video],
    *,
    top: int = 5,
    clips: int | None = None,
    crops: int | None = None,
    protocol: str | Protocol | None = None,
    timeout: float = TIMEOUT,
) -> Labels | list[Labels]:
    """The best classes of a video, read and scored exactly as ``test`` does it.

    Args:
        model: with ``preprocess``, and ``classes`` if the labels are to be names; put in eval mode for the time.
        video: a file, a frame folder, an address that the decoder can open, or uint8 frames ``[T, H, W, 3]`` (RGB); for
            a model of optical flow a folder of flow, or uint8 ``[T, H, W, 2]``. Or a list (or tuple) of these.
        top: how many classes, at most all.
        clips, crops: views of the video, 1 x 1 by default.
        protocol: a published one instead.
        timeout: seconds that an address may take, see :func:`spatempo.video.source.open_video`.

    Returns:
        ``[{"label", "score"}]``, the best first; scores are the softmax of the mean logits (or mean
        probabilities, where the protocol says so) and sum to 1 over all classes. Of a list of videos a list of these,
        in its order.

    Raises:
        SpatempoError: frames, counts or a protocol that cannot be used; scores that are not finite.
        VideoError: a video cannot be read; of a list the first such one, named, and no result is returned. To keep the
            others, predict them one by one.
    """
    how: dict[str, Any] = {"top": top, "clips": clips, "crops": crops, "protocol": protocol, "timeout": timeout}
    if isinstance(video, list | tuple):
        return [_predict_one(model, one, **how) for one in video]
    return _predict_one(model, video, **how)  # pyright: ignore[reportArgumentType]  (other sequences are refused)


def _predict_one(
    model: nn.Module,
    video: Video,
    *,
    top: int,
    clips: int | None,
    crops: int | None,
    protocol: str | Protocol | None,
    timeout: float,
) -> Labels:
    check_number("top", top)
    plan, preprocess = view_plan(model, protocol, clips, crops)
    if isinstance(video, Tensor | np.ndarray):
        clip = load_views(ArrayFrames(video, preprocess.modality), preprocess, plan.clips, plan.crops)
    elif not isinstance(video, str | os.PathLike):
        raise SpatempoError(
            f"a video is a path, an address or uint8 frames [T, H, W, {preprocess.read_channels}], got "
            f"{type(video).__name__}"
        )
    else:
        with open_video(os.fspath(video), reads=preprocess.kind.reads, timeout=timeout) as source:
            clip = load_views(source, preprocess, plan.clips, plan.crops)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with eval_mode(model), torch.inference_mode():
        # view by view when there are many, as in `test`, so that memory is bounded
        logits = score_views(model, clip[None].to(device), chunk=16, average=plan.average)[0].cpu()
    if not logits.isfinite().all():
        raise SpatempoError("the scores are not finite: the model has diverged; load an earlier checkpoint")
    names = getattr(model, "classes", None) or [str(k) for k in range(len(logits))]
    best = logits.softmax(0).topk(min(top, len(logits)))
    return [{"label": names[k], "score": float(s)} for s, k in zip(best.values, best.indices, strict=True)]
