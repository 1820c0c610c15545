"""Find actions and their times in a long video with a sliding window, in bounded memory.

Each frame is decoded once, in order. Overlapping windows (`timeline_windows.py`) share their frames. A few windows at
a time go through the network, preprocessed as in ``predict``, and their scores become segments
(`timeline_segments.py`). Only the scores grow with the length of the video, by one row per window: 12 MB per hour with
400 classes and two windows per second.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from spatempo.errors import SpatempoError, VideoError
from spatempo.evaluation.arrays import softmax
from spatempo.evaluation.classifier import ClipClassifier, class_names, training_seconds
from spatempo.evaluation.longvideo.timeline_segments import Segment, find_segments
from spatempo.evaluation.longvideo.timeline_windows import Windows, default_seconds
from spatempo.evaluation.running import inference
from spatempo.evaluation.scoring.score_rows import ScoreRows
from spatempo.evaluation.scoring.scores import score_views
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.views import stack_clips
from spatempo.limits import check_number
from spatempo.video.source import TIMEOUT, VideoSource, open_video

Report = Callable[[float, float], None]
MAX_OPEN_WINDOWS = 1000  # windows open at the same time; each one keeps its frames in memory


@dataclass(frozen=True)
class Timeline:
    """Segments of a video and the settings used; times in seconds from the first frame.

    Attributes:
        video: path or address of the video.
        duration: time at the end of the last frame.
        frames: number of decoded frames. A frame that cannot be decoded is replaced by the frame before it.
        window, stride: length of a window and distance between windows, in seconds.
        windows: number of windows that went through the network.
        window_from: source of the window length: ``"given"``, ``"training"`` (length of the training videos),
            ``"frames"`` (frames of dense sampling), ``"guess"``, or ``"video"`` (the video is not longer than this).
        min_score, min_length, background: rules for segments, as in :func:`timeline`.
        segments: segments in order of time, without overlap.
    """

    video: str
    duration: float
    frames: int
    window: float
    stride: float
    windows: int
    window_from: str
    min_score: float
    min_length: float
    background: tuple[str, ...]
    segments: tuple[Segment, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; times rounded to milliseconds."""
        plain = asdict(self) | {"duration": round(self.duration, 3), "background": list(self.background)}
        rows = [{**asdict(s), "start": round(s.start, 3), "end": round(s.end, 3)} for s in self.segments]
        return plain | {"segments": rows}


def timeline(
    model: ClipClassifier,
    video: str | os.PathLike[str],
    *,
    window: float | None = None,
    stride: float | None = None,
    min_score: float = 0.5,
    min_length: float | None = None,
    background: Sequence[str] = (),
    batch_size: int = 4,
    report: Report | None = None,
    timeout: float = TIMEOUT,
) -> Timeline:
    """Find the segments of a long video in which the model recognises a class.

    Args:
        model: a video model, or another :class:`~spatempo.evaluation.classifier.ClipClassifier`. If its ``classes`` are
            None, labels are numbers. A torch module is in eval mode during the call.
        video: a file, or an address that the decoder can open.
        window: length of a window in seconds, ideally the length of a training clip. None: the model's
            ``clip_seconds``, or 2 s if unknown; with dense sampling, the duration of 64 frames. A shorter video is one
            window.
        stride: seconds between windows; None: a quarter of the window. Half the stride doubles the computation.
        min_score: smallest score of a segment, 0 to 1.
        min_length: seconds; shorter segments are dropped, and shorter gaps within a segment are closed. None: half a
            window.
        background: classes that produce no segments, such as ``["still"]``.
        batch_size: windows per call of the model.
        report: called with (seconds processed, total seconds) about once per batch.
        timeout: time limit for an address in seconds, see :func:`spatempo.video.source.open_video`.

    Raises:
        SpatempoError: invalid number or unknown class, a model that does not take RGB frames, a folder of images
            (images have no times), or scores that are not finite.
        VideoError: the video cannot be read.
    """
    _, preprocess = view_plan(model)
    if not preprocess.is_image:
        takes = f"stacks of {preprocess.stack} frames" if preprocess.kind.images else preprocess.modality
        raise SpatempoError(f"a timeline requires a model for RGB frames, but this model takes {takes}")
    classes = model.classes
    check_number("window", window)
    check_number("stride", stride)
    _check(min_score, min_length, batch_size, background, classes or ())
    with open_video(os.fspath(video), timeout=timeout) as source:
        if source.duration <= 0:
            raise SpatempoError(f"{source.path}: images in a folder have no times; make a video of them first")
        usual = default_seconds(preprocess, source.fps, training_seconds(model))
        seconds, window_from = usual if window is None else (window, "given")
        plan = Windows.of(preprocess, seconds, seconds / 4 if stride is None else stride)
        if plan.seconds > source.duration and preprocess.sampling == "segment":
            plan = Windows.of(preprocess, source.duration, min(plan.stride, source.duration))
            window_from = "video"
        _check_stride(plan, source)
        frames = _CountedFrames(source, preprocess.short_side)
        windows = plan.cut(frames)
        scores: ScoreRows | None = None
        with inference(model):
            while batch := list(islice(windows, batch_size)):
                clips = stack_clips([preprocess.array(np.stack(images)) for images in batch])
                logits = score_views(model, clips)
                if not np.isfinite(logits).all():
                    raise SpatempoError("the scores are not finite: the model has diverged; load an earlier checkpoint")
                scores = scores or ScoreRows(logits.shape[1])
                scores.add(softmax(logits))
                if report is not None:
                    report(min(frames.now, source.duration), source.duration)
    if scores is None:
        raise VideoError(os.fspath(video), "none of its frames can be decoded; replace or remove the file")
    min_length = plan.seconds / 2 if min_length is None else min_length
    segments = find_segments(
        scores.numpy(),
        class_names(model, scores.width),
        window=plan.seconds,
        stride=plan.stride,
        duration=frames.end,
        min_score=min_score,
        min_length=min_length,
        background=background,
    )
    return Timeline(
        video=os.fspath(video),
        duration=frames.end,
        frames=frames.count,
        window=plan.seconds,
        stride=plan.stride,
        windows=len(scores),
        window_from=window_from,
        min_score=min_score,
        min_length=min_length,
        background=tuple(background),
        segments=tuple(segments),
    )


class _CountedFrames:
    """Frames of a video, with the time of the latest frame (`now`, seconds) and their number (`count`)."""

    def __init__(self, source: VideoSource, short_side: int) -> None:
        self.source, self.short_side = source, short_side
        self.now, self.count = 0.0, 0

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        for seconds, image in self.source.stream(short_side=self.short_side):
            self.now, self.count = seconds, self.count + 1
            yield seconds, image

    @property
    def end(self) -> float:
        """End of the last frame in seconds, assuming that it lasts as long as the average frame."""
        return self.now + (self.now / (self.count - 1) if self.count > 1 else self.source.duration)


def _check_stride(plan: Windows, source: VideoSource) -> None:
    """Reject strides below one frame (windows would repeat) and too many open windows (each keeps its frames)."""
    least = max(1 / source.fps, plan.seconds / MAX_OPEN_WINDOWS)
    if plan.stride < least * (1 - 1e-6):  # accepts a stride of one frame that was rounded
        reason = (
            f"one frame lasts {1 / source.fps:.4g} s"
            if least == 1 / source.fps
            else f"more than {MAX_OPEN_WINDOWS} windows of {plan.seconds:g} s would overlap"
        )
        raise SpatempoError(f"{source.path}: `stride={plan.stride:g}`: {reason}; give at least {least:.4g} seconds")


def _check(
    min_score: float, min_length: float | None, batch_size: int, background: Sequence[str], classes: Sequence[str]
) -> None:
    check_number("min_score", min_score)
    check_number("min_length", min_length)
    check_number("batch_size", batch_size)
    unknown = [label for label in background if label not in classes]
    if unknown:
        known = f"choose from {', '.join(classes)}" if classes else "its classes have no names"
        raise SpatempoError(f"background {unknown[0]!r} is not a class of the model: {known}")
