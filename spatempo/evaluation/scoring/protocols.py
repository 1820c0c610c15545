"""Published test protocols by name: how many clips, which crops, and at what size.

A protocol says how a video becomes views (clips x crops). What a view is fed with beyond that (frames, mean, std) is
the model's own. The sizes of papers are those of a 224-pixel model; a protocol keeps their *meaning* for any model:

* ``full_res=False``: the crop is the model's own size, out of its own short side (224 out of 256 in the papers);
* ``full_res=True``: the crop is as large as the short side (256 out of 256), so that three of them see all of a frame.

Scores of the views of one video are averaged as the authors' code does it (:attr:`Protocol.average`): as logits,
before the softmax (TSN, TSM, GSM), or as probabilities, after it (R(2+1)D, Non-local).

This module loads no torch, so that the command line lists protocols at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spatempo.errors import SpatempoError
from spatempo.limits import check_number

if TYPE_CHECKING:
    from spatempo.inputs.spec import Preprocess


@dataclass(frozen=True)
class Protocol:
    """One way of testing, as published.

    Args:
        name: what ``--protocol`` takes.
        clips: clips per video, spread over it along time.
        crops: crops per clip: 1 = centre, 3 = left, centre, right (top and bottom in portrait), 10 = the four corners
            and the centre, and their mirror images.
        sampling: ``"segment"`` (frames spread over the whole video) or ``"dense"`` (inside windows); None leaves the
            model's own.
        size: crop of the publication, pixels, for a model of 224 (112 in R(2+1)D's).
        resize: short side of the publication, pixels, before the crop.
        frames: frames per clip; None leaves the model's own.
        window: frames that a dense clip spans; None: as many as it has, consecutive ones.
        average: what of the views is averaged: ``"logits"``, or ``"softmax"``, the probabilities.
        note: where it comes from, and in what it may differ from what authors did.
    """

    name: str
    clips: int
    crops: int
    sampling: str | None
    size: int
    resize: int
    frames: int | None = None
    window: int | None = 64
    average: str = "logits"
    note: str = ""

    @property
    def views(self) -> int:
        """Views per video; the cost of one test video in model calls."""
        return self.clips * self.crops

    @property
    def full_res(self) -> bool:
        """Whether the crop is as large as the short side."""
        return self.size == self.resize

    def apply(self, preprocess: Preprocess) -> Preprocess:
        """The preprocessing of a model under this protocol.

        Args:
            preprocess: the model's own.

        Returns:
            A copy with the protocol's sampling, frames and crop size; mean, std and modality untouched.
        """
        short_side = preprocess.short_side
        return replace(
            preprocess,
            frames=self.frames or preprocess.frames,
            sampling=self.sampling or preprocess.sampling,
            window=self.window if self.sampling == "dense" else preprocess.window,
            size=short_side if self.full_res else preprocess.size,
            resize=short_side,
        )


_TSM = "mit-han-lab/temporal-shift-module, test_models.py"
_GSM = "swathikirans/GSM, test_models.py"

PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("something-efficient", 1, 1, "segment", 224, 256, note=f"Something-Something, 1 centre view ({_TSM})"),
        Protocol(
            "something-accurate",
            2,
            3,
            "segment",
            256,
            256,
            note=f"Something-Something, 2 clips (--twice_sample) x 3 crops of the full resolution ({_TSM} --full_res)",
        ),
        Protocol(
            "something-accurate-224",
            2,
            3,
            "segment",
            224,
            256,
            note="the same with 3 crops of 224: the command in TSM's README leaves --full_res out",
        ),
        Protocol("jester", 2, 3, "segment", 256, 256, note="Jester, as Something-Something's accurate one (TSM, STH)"),
        Protocol("diving48", 1, 1, "segment", 224, 256, note=f"Diving48, 1 centre view ({_GSM}; mmaction2's TSM)"),
        Protocol("diving48-2x1", 2, 1, "segment", 224, 256, note=f"Diving48, 2 clips, centre crop ({_GSM})"),
        Protocol(
            "ucf-hmdb", 2, 3, "segment", 256, 256, note="UCF101 and HMDB51, 2 clips x 3 full-resolution crops (TSM)"
        ),
        Protocol(
            "tsn", 1, 10, "segment", 224, 256, 25, note="UCF101, HMDB51 and Kinetics, 25 segments x 10 crops (TSN)"
        ),
        Protocol("kinetics-1x1", 1, 1, "segment", 224, 256, note="Kinetics, uniform sampling, 1 centre view (TSM)"),
        Protocol("kinetics-1x10", 1, 10, "segment", 224, 256, note="Kinetics, uniform sampling, 10 crops (TSM)"),
        Protocol(
            "kinetics-10x3",
            10,
            3,
            "dense",
            256,
            256,
            note="Kinetics, 10 dense windows x 3 full-resolution crops (TSM)",
        ),
        Protocol(
            "kinetics-10x3-softmax",
            10,
            3,
            "dense",
            256,
            256,
            average="softmax",
            note="the same with probabilities averaged (Non-local)",
        ),
        Protocol(
            "kinetics-10x10",
            10,
            10,
            "dense",
            224,
            256,
            note="Kinetics, 10 dense windows x 10 crops (said of STH by its authors' notes; no table says so)",
        ),
        Protocol(
            "kinetics-10x10-uniform",
            10,
            10,
            "segment",
            224,
            256,
            note="Kinetics, 10 uniform clips, their offsets spread evenly, x 10 crops",
        ),
        Protocol(
            "r2plus1d",
            10,
            1,
            "dense",
            112,
            128,
            window=None,
            average="softmax",
            note="R(2+1)D, video@1: 10 evenly spaced clips of consecutive frames, centre crop (VMZ, test_net.py)",
        ),
    )
}


def protocol(name: str) -> Protocol:
    """A published protocol.

    Args:
        name: one of :data:`PROTOCOLS`.

    Raises:
        SpatempoError: no such name; the message lists them.
    """
    if name not in PROTOCOLS:
        raise SpatempoError(
            f"protocol {name!r} is not known; choose one of {', '.join(PROTOCOLS)}, or give clips/crops"
        )
    return PROTOCOLS[name]


def views(preprocess: Preprocess, *, clips: int | None = None, crops: int | None = None) -> Protocol:
    """A protocol out of plain numbers: the model's own sampling and crop size.

    Args:
        preprocess: the model's own.
        clips, crops: per video and per clip; None means 1.

    Raises:
        SpatempoError: a count below 1.
    """
    clips, crops = (1 if clips is None else clips), (1 if crops is None else crops)
    check_number("clips", clips)
    check_number("crops", crops)
    return Protocol("views", clips, crops, None, preprocess.size, preprocess.short_side)
