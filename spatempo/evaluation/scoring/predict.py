"""Predict the classes of videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.scoring.predictor import Labels, Predictor, Video
from spatempo.evaluation.scoring.protocols import Protocol
from spatempo.limits import check_number
from spatempo.video.source import TIMEOUT


@overload
def predict(
    model: ClipClassifier,
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
    model: ClipClassifier,
    video: Sequence[Video],
    *,
    top: int = 5,
    clips: int | None = None,
    crops: int | None = None,
    protocol: str | Protocol | None = None,
    timeout: float = TIMEOUT,
) -> list[Labels]: ...
def predict(
    model: ClipClassifier,
    video: Video | Sequence[Video],
    *,
    top: int = 5,
    clips: int | None = None,
    crops: int | None = None,
    protocol: str | Protocol | None = None,
    timeout: float = TIMEOUT,
) -> Labels | list[Labels]:
    """Predict the best classes of a video, with the same preprocessing and scores as ``test``.

    To process many videos, create one :class:`~spatempo.evaluation.scoring.predictor.Predictor` and reuse it.

    Args:
        model: a video model, or another :class:`~spatempo.evaluation.classifier.ClipClassifier`. If its ``classes`` are
            None, labels are numbers. A torch module is in eval mode during the call.
        video: a file, a folder of frames, an address that the decoder can open, or uint8 RGB frames ``[T, H, W, 3]``.
            For an optical flow model: a folder of flow, or uint8 ``[T, H, W, 2]``. A list or tuple of these is also
            accepted.
        top: number of classes to return; all classes if there are fewer.
        clips, crops: clips per video and crops per clip, 1 by default.
        protocol: a published protocol, instead of `clips` and `crops`.
        timeout: time limit for an address in seconds, see :func:`spatempo.video.source.open_video`.

    Returns:
        ``[{"label", "score"}]``, the best class first. Scores are the softmax of the mean logits (or the mean
        probabilities, if the protocol averages these); they sum to 1 over all classes. For a list of videos, a list
        of these in the same order.

    Raises:
        SpatempoError: frames, counts or protocol are invalid, or scores are not finite.
        VideoError: a video cannot be read. For a list, the error names the first unreadable video and no result is
            returned. To get the results of the other videos, call this function for each video.
    """
    check_number("top", top)
    predictor = Predictor(model, protocol, clips, crops, timeout)
    if isinstance(video, list | tuple):
        return [predictor(one, top) for one in video]
    return predictor(video, top)  # pyright: ignore[reportArgumentType]  (other sequences are rejected)
