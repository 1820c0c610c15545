"""Choose the test videos of a page: videos on which the designs disagree, and one that the best design gets wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatempo.data.manifest import Manifest, Sample
from spatempo.errors import SpatempoError
from spatempo.inputs.sampling import segment_indices
from spatempo.report.comparison_page import Strip
from spatempo.video.source import open_video

SIDE = 96  # pixels of the short side; small, since the page embeds all frames


def choose_strips(
    manifest: Manifest, runs: Mapping[str, Mapping[str, Any]], *, frames: int = 8, max_strips: int = 6
) -> list[Strip]:
    """Chooses videos and reads their frames.

    A clip and its reversal (two videos of one group in a pair) are shown together: they contain the same frames in
    opposite order. Pairs, and classes without a pair, are sorted by how much the designs disagree on them, the largest
    disagreement first. The last strip is a video that the best design gets wrong, if there is one.

    Args:
        manifest: test data.
        runs: name -> ``labels``, ``answers`` and ``indices`` of the readable videos, and ``top1``.
        frames: frames per strip, the same ones that a model with segment sampling sees.
        max_strips: maximum number of strips.
    """
    predictions = _common_predictions(runs)
    groups: dict[str, list[int]] = {}
    for index in sorted(predictions):
        groups.setdefault(_case(manifest.samples[index], index), []).append(index)
    best = max(runs, key=lambda name: runs[name]["top1"])
    failed = [index for index in sorted(predictions) if predictions[index][best] != manifest.samples[index].label]
    chosen: list[int] = []
    seen: set[str] = set()
    limit = max_strips - bool(failed)
    # a stable sort: among equals the first of the manifest, so the page is the same every time
    for case in sorted(groups.values(), key=lambda case: -_disagreement(manifest, predictions, case)):
        sample = manifest.samples[case[0]]
        topic = sample.pair or f"class {sample.label}"
        if topic not in seen and len(chosen) + len(case) <= limit:
            seen.add(topic)
            chosen += case
    chosen += [index for index in failed if index not in chosen][:1]
    return [_strip(manifest, index, predictions[index], frames) for index in chosen]


def _common_predictions(runs: Mapping[str, Mapping[str, Any]]) -> dict[int, dict[str, int]]:
    """Index in the manifest -> design -> predicted class, for the videos that all designs could read."""
    by_run = {name: dict(zip(run["indices"], run["answers"], strict=True)) for name, run in runs.items()}
    common = set.intersection(*(set(found) for found in by_run.values()))
    return {index: {name: found[index] for name, found in by_run.items()} for index in common}


def _case(sample: Sample, index: int) -> str:
    """Key of the videos that are shown together: a clip and its reversal, or a single video."""
    return f"{sample.pair} {sample.group}" if sample.pair and sample.group else f"video {index}"


def _disagreement(manifest: Manifest, predictions: Mapping[int, Mapping[str, int]], case: list[int]) -> float:
    """Largest difference between the accuracies of two designs on the videos of one case, 0..1."""
    accuracies = [
        sum(predictions[index][name] == manifest.samples[index].label for index in case) / len(case)
        for name in predictions[case[0]]
    ]
    return max(accuracies) - min(accuracies)


def _strip(manifest: Manifest, index: int, predictions: Mapping[str, int], frames: int) -> Strip:
    sample = manifest.samples[index]
    with open_video(sample.path, template=manifest.template) as video:
        if video.frames < 1:
            raise SpatempoError(f"{sample.path}: contains no frames")
        shown = video.read(segment_indices(video.frames, frames).tolist(), short_side=SIDE)
    classes = manifest.classes
    title = f"{classes[sample.label]}" + (f" ({sample.family})" if sample.family else "")
    return Strip(title, shown, classes[sample.label], {name: classes[label] for name, label in predictions.items()})
