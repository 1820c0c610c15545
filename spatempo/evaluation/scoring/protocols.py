"""Published test protocols by name: number of clips, crops, and sizes.

A protocol defines how a video is divided into views (clips x crops). The rest of the preprocessing (frames, mean, std)
comes from the model. The sizes in papers are for models with an input of 224 pixels. For other models, a protocol
adapts the sizes:

* ``full_res=False``: the crop has the model's input size and the frame the model's short side (224 and 256 in papers).
* ``full_res=True``: the crop is as large as the short side (256 and 256), so that three crops cover the whole frame.

The scores of the views of a video are averaged as in the authors' code (:attr:`Protocol.average`): as logits, before
the softmax (TSN, TSM, GSM), or as probabilities, after the softmax (R(2+1)D, Non-local).

This module does not import torch, so that the command line can list the protocols quickly.
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
    """A test protocol.

    Args:
        name: name for ``--protocol``.
        clips: clips per video, distributed over its duration.
        crops: crops per clip: 1 = centre; 3 = left, centre, right (top, centre, bottom for portrait videos); 10 = the
            four corners, the centre, and their mirror images.
        sampling: ``"segment"`` (frames from the whole video) or ``"dense"`` (frames from windows); None: the model's
            sampling.
        size: published crop size in pixels, for a model with an input of 224 pixels (112 for R(2+1)D).
        resize: published short side in pixels, before the crop.
        frames: frames per clip; None: the model's number of frames.
        window: length of a dense clip in frames of the video; None: consecutive frames.
        average: quantity averaged over views: ``"logits"``, or ``"softmax"`` (probabilities).
        note: source, and possible differences from the authors' code.
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
        """Views per video, which is the number of forward passes per video."""
        return self.clips * self.crops

    @property
    def full_res(self) -> bool:
        """Whether the crop is as large as the short side."""
        return self.size == self.resize

    def apply(self, preprocess: Preprocess) -> Preprocess:
        """Input specification of a model for this protocol.

        Args:
            preprocess: input specification of the model.

        Returns:
            A copy with the protocol's sampling, frames and crop size. Mean, std and modality are unchanged.
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
            note="something-accurate with 3 crops of 224 pixels: the command in TSM's README omits --full_res",
        ),
        Protocol("jester", 2, 3, "segment", 256, 256, note="Jester, as something-accurate (TSM, STH)"),
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
            note="kinetics-10x3 with averaged probabilities (Non-local)",
        ),
        Protocol(
            "kinetics-10x10",
            10,
            10,
            "dense",
            224,
            256,
            note="Kinetics, 10 dense windows x 10 crops (in the notes of STH's authors, not in a published table)",
        ),
        Protocol(
            "kinetics-10x10-uniform",
            10,
            10,
            "segment",
            224,
            256,
            note="Kinetics, 10 uniformly sampled clips with evenly spaced offsets x 10 crops",
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
    """Return a published protocol.

    Args:
        name: one of :data:`PROTOCOLS`.

    Raises:
        SpatempoError: the name is unknown; the message lists all names.
    """
    if name not in PROTOCOLS:
        raise SpatempoError(
            f"protocol {name!r} is not known; choose from {', '.join(PROTOCOLS)}, or give clips and crops"
        )
    return PROTOCOLS[name]


def views(preprocess: Preprocess, *, clips: int | None = None, crops: int | None = None) -> Protocol:
    """Create a protocol with the given numbers of clips and crops, and the model's sampling and crop size.

    Args:
        preprocess: input specification of the model.
        clips, crops: clips per video and crops per clip; None means 1.

    Raises:
        SpatempoError: a count below 1.
    """
    clips, crops = (1 if clips is None else clips), (1 if crops is None else crops)
    check_number("clips", clips)
    check_number("crops", crops)
    return Protocol("views", clips, crops, None, preprocess.size, preprocess.short_side)
