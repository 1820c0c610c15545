"""Measure how a trained model uses the order of frames, on any labelled videos: numbers, a sentence and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.order.dependence import order_requirement, time_dependence
from spatempo.evaluation.order.orders import OrderResults, depends_on_order, evaluate_orders
from spatempo.evaluation.order.receptive_field import influence, receptive_field
from spatempo.evaluation.scoring.loading import manifest_for
from spatempo.files import check_folder
from spatempo.limits import check_number
from spatempo.models.video_model import VideoModel
from spatempo.report.film import Strip
from spatempo.report.time_page import write_time_page
from spatempo.runtime.engines.engine import Engine
from spatempo.runtime.load import load_classifier
from spatempo.studies.diagnosing.look_inside import gate_strips, look_inside
from spatempo.studies.diagnosing.time_examples import choose_videos, clips_at, strip_of
from spatempo.studies.diagnosing.time_words import data_sentence, sentence, verdict_words
from spatempo.version import __version__

NOT_MEASURED = ("receptive field", "Grad-CAM", "attention", "gates")  # they need gradients or layers


def diagnose(
    checkpoint: str | Path | VideoModel | Engine,
    data: str | Path,
    *,
    against: str | Path | VideoModel | Engine | None = None,
    out: str | Path = "runs/diagnose",
    batch_size: int = 8,
    workers: int = 0,
    device: str = "auto",
    progress: bool = False,
) -> dict[str, Any]:
    """Measures how a model uses the order of frames, and writes ``out/report.html``.

    Args:
        checkpoint: path of a checkpoint or of an exported file, or a model, which stays on its device. An exported
            model has no gradients and layers to inspect, so only its accuracies are measured. For other classifiers,
            use :func:`~spatempo.evaluation.order.orders.evaluate_orders`.
        data: labelled videos, as for ``test``.
        against: checkpoint, exported file or model to compare with, trained with the same settings. One of the two
            models must be order-blind (TSN). The result then also says how much of `data` needs order.
        out: folder of the page.
        batch_size: videos per forward pass.
        workers: processes that read videos.
        device: ``auto``, ``cpu``, ``cuda``, ...
        progress: show progress bars on stderr.

    Returns:
        The result of :func:`~spatempo.evaluation.order.dependence.time_dependence`, and ``name, checkpoint,
        receptive_field, sentence, report``. For networks with STH's attention or with gates, also ``attention`` or
        ``gates`` (:func:`~spatempo.studies.diagnosing.look_inside.look_inside`). For an exported model,
        ``receptive_field`` is None and ``not_measured`` lists the parts that need gradients or layers. With `against`
        also ``against`` (the same keys for the second model) and ``data``
        (:func:`~spatempo.evaluation.order.dependence.order_requirement`, with a sentence).

    Raises:
        SpatempoError: no checkpoint, invalid data, a model of one frame, or two models that both see order or are both
            order-blind.
    """
    check_number("batch_size", batch_size)
    check_number("workers", workers)
    check_folder(out)
    subjects = [_Subject.of(checkpoint, data, device)]
    if against is not None:
        subjects.append(_Subject.of(against, data, device))
        _check_subjects(subjects)
    for subject in subjects:
        bar = subject.name if progress else ""
        subject.found = evaluate_orders(
            subject.model, subject.manifest, batch_size=batch_size, workers=workers, progress=bar
        )
    first = subjects[0]
    examples = choose_videos(first.results, first.manifest)
    documents = [
        {**subject.document(examples), **subject.look_inside(batch_size=batch_size, workers=workers)}
        for subject in subjects
    ]
    need = _need(subjects, documents) if against is not None else None
    page = write_time_page(
        Path(out) / "report.html",
        "Use of frame order: " + " and ".join(subject.name for subject in subjects),
        [document["sentence"] for document in documents] + ([] if need is None else [need["sentence"]]),
        documents,
        verdicts=[verdict_words(document) for document in documents],
        need=need,
        strips=_strips(first, examples),
        gate_strips=_gate_strips(first, examples) if "gates" in documents[0] else [],
        notes=_notes(subjects, documents),
    )
    document = {**documents[0], "report": str(page)}
    if need is not None:
        document |= {"against": documents[1], "data": need}
    return document


@dataclass
class _Subject:
    """A model, its data and its predictions."""

    name: str
    checkpoint: str
    model: VideoModel | Engine
    manifest: Manifest
    found: OrderResults | None = None

    @classmethod
    def of(cls, given: str | Path | VideoModel | Engine, data: str | Path, device: str) -> _Subject:
        model = load_classifier(given, device) if isinstance(given, str | Path) else given
        if not isinstance(model, VideoModel | Engine):
            raise SpatempoError(
                f"diagnose needs a checkpoint, an exported file, a VideoModel or an Engine, got {type(model).__name__};"
                " for other classifiers use spatempo.evaluation.evaluate_orders"
            )
        name = model.name if model is given else str(given)
        return cls(model.name, name, model, manifest_for(model, data))

    @property
    def results(self) -> OrderResults:
        assert self.found is not None
        return self.found

    def document(self, examples: Sequence[int]) -> dict[str, Any]:
        found = time_dependence(self.results, self.manifest)
        document = {**found, "name": self.name, "checkpoint": self.checkpoint}
        if isinstance(self.model, VideoModel):
            clips = clips_at(self.manifest, self.model, examples)
            field = receptive_field([influence(self.model, clip) for _, clip in clips]).to_json()
            document |= {"receptive_field": field}
        else:
            document |= {"receptive_field": None, "not_measured": list(NOT_MEASURED)}
        return {**document, "sentence": sentence(document)}

    def look_inside(self, **loading: int) -> dict[str, Any]:
        if not isinstance(self.model, VideoModel):
            return {}
        return look_inside(self.name, self.model, self.manifest, **loading)


def _check_subjects(subjects: Sequence[_Subject]) -> None:
    """Checks with a clip of noise, before any video is read, that exactly one of the two models sees order."""
    seeing = [subject for subject in subjects if depends_on_order(subject.model)]
    if len(seeing) != 1:
        which = "both see" if seeing else "neither sees"
        needed = "an order-blind model, such as tsn_resnet50" if seeing else "one that sees it, such as tsm_resnet50"
        named = " and ".join(subject.checkpoint for subject in subjects)
        raise SpatempoError(
            f"{named}: {which} order; to measure how much of the data needs order, replace one of them by {needed}"
        )
    if subjects[0].name == subjects[1].name:
        for subject in subjects:
            subject.name = f"{subject.name} ({subject.checkpoint})"


def _need(subjects: Sequence[_Subject], documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    blind, temporal = sorted(zip(documents, subjects, strict=True), key=lambda pair: pair[0]["scores_changed"])
    need = order_requirement(temporal[1].results.ordered, blind[1].results.ordered, temporal[1].manifest)
    need |= {"temporal_name": temporal[1].name, "order_blind_name": blind[1].name}
    return {"sentence": data_sentence(need), **need}


def _strips(subject: _Subject, examples: Sequence[int]) -> list[Strip]:
    model, manifest = subject.model, subject.manifest
    # optical flow and stacked frames cannot be shown as images; an exported model has no gradients for Grad-CAM
    if not isinstance(model, VideoModel) or not model.preprocess.is_image:
        return []
    return [
        strip_of(model, clip, manifest, index, subject.results) for index, clip in clips_at(manifest, model, examples)
    ]


def _gate_strips(subject: _Subject, examples: Sequence[int]) -> list[Strip]:
    return gate_strips(subject.model, subject.manifest, examples) if isinstance(subject.model, VideoModel) else []


def _notes(subjects: Sequence[_Subject], documents: Sequence[Mapping[str, Any]]) -> list[str]:
    first = documents[0]
    unreadable = f" ({len(first['unreadable'])} more could not be read)" if first["unreadable"] else ""
    frozen = first["orders"]["frozen"][0] + 1
    orders = "; ".join(
        " ".join(str(t + 1) for t in order) for name, order in first["orders"].items() if name.startswith("shuffled")
    )
    exported = [document["name"] for document in documents if "not_measured" in document]
    skipped = f"Exported without gradients and layers, so these are not measured: {', '.join(NOT_MEASURED)}."
    return [
        *([f"{' and '.join(exported)}: {skipped}"] if exported else []),
        f"{subjects[0].manifest.source}: {first['n']} videos{unreadable}; one centre view each.",
        f"Every clip is read once, then its frames are reordered. \u201cOne frame, repeated\u201d is frame {frozen} of "
        f"{first['frames']}. Permutations used for \u201cshuffled\u201d, the same for all videos: {orders}.",
        "Intervals: 95 % Wilson intervals. p-values: exact McNemar test on the same videos. The shuffles are combined "
        "by Rüger's rule (5/3 of the middle p of five). Classes and pairs are corrected by Holm's method. The tests "
        "treat videos as independent.",
        "Scores that differ by at most 1e-5 of the largest score (rounding) count as equal. Largest change of a score "
        "by reordering, relative to the largest score: "
        + "; ".join(f"{d['name']} {d['largest_change']:.1e}" for d in documents)
        + ".",
        f"Checkpoints: {', '.join(subject.checkpoint for subject in subjects)}. spatempo {__version__}.",
    ]
