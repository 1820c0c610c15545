"""Labels videos."""

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
    """The best classes of a video, read and scored exactly as ``test`` does it.

    A single use of :class:`~spatempo.evaluation.scoring.predictor.Predictor`; keep one of those to serve many videos.

    Args:
        model: a video model, or another :class:`~spatempo.evaluation.classifier.ClipClassifier`; its ``classes`` may be
            None, and labels are then numbers. A torch module is put in eval mode for the time.
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
    check_number("top", top)
    predictor = Predictor(model, protocol, clips, crops, timeout)
    if isinstance(video, list | tuple):
        return [predictor(one, top) for one in video]
    return predictor(video, top)  # pyright: ignore[reportArgumentType]  (other sequences are refused)
