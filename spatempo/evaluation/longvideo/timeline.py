"""What happens when in a long video: a network slid over it once, in memory that does not grow with its length.

Frames come from the decoder in order, each once. Windows that overlap (`timeline_windows.py`) share the frames they
take; a few windows at a time go through the network as ``predict`` would show them; their scores become segments
(`timeline_segments.py`). What grows is one row of scores per window: 12 MB an hour for 400 classes twice a second.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from spatempo.errors import SpatempoError, VideoError
from spatempo.evaluation.classifier import ClipClassifier, class_names, training_seconds
from spatempo.evaluation.longvideo.timeline_segments import Segment, find_segments
from spatempo.evaluation.longvideo.timeline_windows import Windows, default_seconds
from spatempo.evaluation.running import device_of, eval_mode
from spatempo.evaluation.scoring.score_rows import ScoreRows
from spatempo.evaluation.scoring.scores import score_views
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.inputs.tensors import collate_clips
from spatempo.limits import check_number
from spatempo.video.source import TIMEOUT, VideoSource, open_video

Report = Callable[[float, float], None]
MOST_AT_ONCE = 1000  # windows that have begun and not ended; each holds the frames it has taken


@dataclass(frozen=True)
class Timeline:
    """The segments of a video and what they were found with; times in seconds from its first frame.

    Attributes:
        video: where it is.
        duration: to the end of its last frame.
        frames: how many were decoded. Where one does not decode, the one before it stays on the screen.
        window, stride, windows: seconds, seconds, and how many went through the network.
        window_from: why the window is so long: ``"given"``, ``"training"`` (as the training videos), ``"frames"`` (of
            dense sampling), ``"guess"``, or ``"video"`` (which is no longer).
        min_score, min_length, background: of the rules.
        segments: in order, without overlap.
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
        """Plain JSON types; times to the millisecond."""
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
    """Finds what the model knows in a long video.

    Args:
        model: a video model, or another :class:`~spatempo.evaluation.classifier.ClipClassifier`; its ``classes`` may be
            None, and labels are then numbers. A torch module is put in eval mode for the time.
        video: a file, or an address that the decoder can open.
        window: seconds that the network sees at a time: as long as a training clip. None: the model's
            ``clip_seconds``, 2 s if it does not know; for a model of dense sampling its 64 frames. A shorter video is
            one window.
        stride: seconds between windows; None: a quarter of the window. Half the stride, twice the work.
        min_score: 0 to 1; where no class has it, there is no segment.
        min_length: seconds; shorter segments, and shorter gaps within one, do not count. None: half a window.
        background: classes that make no segment, such as ``["still"]``.
        batch_size: windows in one call of the model.
        report: called with (seconds done, seconds in all) about once a batch.
        timeout: seconds that an address may take, see :func:`spatempo.video.source.open_video`.

    Raises:
        SpatempoError: a number or class that cannot be used, a model that takes anything but RGB, a folder of images
            (they have no times), scores that are not finite.
        VideoError: the video cannot be read.
    """
    _, preprocess = view_plan(model)
    if not preprocess.is_picture:
        takes = f"stacks of {preprocess.stack} frames" if preprocess.kind.pictures else preprocess.modality
        raise SpatempoError(f"a timeline shows the network RGB frames, and this one takes {takes}")
    classes = model.classes
    check_number("window", window)
    check_number("stride", stride)
    _check(min_score, min_length, batch_size, background, classes or ())
    with open_video(os.fspath(video), timeout=timeout) as source:
        if source.duration <= 0:
            raise SpatempoError(f"{source.path}: images in a folder carry no times; make a video of them first")
        usual = default_seconds(preprocess, source.fps, training_seconds(model))
        seconds, window_from = usual if window is None else (window, "given")
        plan = Windows.of(preprocess, seconds, seconds / 4 if stride is None else stride)
        if plan.seconds > source.duration and preprocess.sampling == "segment":
            plan = Windows.of(preprocess, source.duration, min(plan.stride, source.duration))
            window_from = "video"
        _check_stride(plan, source)
        frames = _Watched(source, preprocess.short_side)
        windows = plan.cut(frames)
        scores: ScoreRows | None = None
        device = device_of(model)
        with eval_mode(model), torch.inference_mode():
            while batch := list(islice(windows, batch_size)):
                clip = collate_clips([preprocess(np.stack(images)) for images in batch])
                logits = score_views(model, clip.to(device)).cpu()
                if not logits.isfinite().all():
                    raise SpatempoError("the scores are not finite: the model has diverged; load an earlier checkpoint")
                scores = scores or ScoreRows(logits.shape[1])
                scores.add(logits.softmax(1))
                if report is not None:
                    report(min(frames.now, source.duration), source.duration)
    if scores is None:
        raise VideoError(os.fspath(video), "no frame of it decodes; replace the file or leave it out")
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


class _Watched:
    """The frames of a video, and how far they have come."""

    def __init__(self, source: VideoSource, short_side: int) -> None:
        self.source, self.short_side = source, short_side
        self.now, self.count = 0.0, 0

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        for seconds, image in self.source.stream(short_side=self.short_side):
            self.now, self.count = seconds, self.count + 1
            yield seconds, image

    @property
    def end(self) -> float:
        """When the last frame has been shown as long as frames are on average."""
        return self.now + (self.now / (self.count - 1) if self.count > 1 else self.source.duration)


def _check_stride(plan: Windows, source: VideoSource) -> None:
    """A stride below one frame repeats windows, and every window that has begun keeps its frames in memory."""
    least = max(1 / source.fps, plan.seconds / MOST_AT_ONCE)
    if plan.stride < least * (1 - 1e-6):  # a stride of one frame, written with few digits, will do
        reason = (
            f"one frame lasts {1 / source.fps:.4g} s"
            if least == 1 / source.fps
            else f"more than {MOST_AT_ONCE} windows of {plan.seconds:g} s would overlap"
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
        has = f"it has {', '.join(classes)}" if classes else "its classes have no names"
        raise SpatempoError(f"background {unknown[0]!r} is no class of the model: {has}")
