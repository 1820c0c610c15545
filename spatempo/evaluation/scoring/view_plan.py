"""How a model is shown a video under a protocol: the one place where the two meet, for ``test`` and ``predict``."""

from __future__ import annotations

from spatempo.data.flip import mirror_name
from spatempo.errors import SpatempoError
from spatempo.evaluation.classifier import ClipClassifier, check_classifier
from spatempo.evaluation.scoring.protocols import Protocol, views
from spatempo.evaluation.scoring.protocols import protocol as protocol_named
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.ten_crop import TenCrop


def view_plan(
    model: ClipClassifier,
    protocol: str | Protocol | None = None,
    clips: int | None = None,
    crops: int | None = None,
) -> tuple[Protocol, Preprocess]:
    """The protocol, and the preprocessing of the model under it.

    Args:
        model: its ``classes``, if they are known, tell where a mirror image is another class.
        protocol, clips, crops: as in :func:`~spatempo.evaluation.scoring.evaluate.evaluate`.

    Raises:
        SpatempoError: both a protocol and counts are given, crops that cannot be had, or ten of them (five are mirror
            images) for classes that name a direction.
    """
    preprocess = check_classifier(model)
    if protocol is None:
        plan = views(preprocess, clips=clips, crops=crops)
    elif clips is not None or crops is not None:
        raise SpatempoError("a protocol says how many clips and crops; give either the protocol or clips and crops")
    else:
        plan = protocol if isinstance(protocol, Protocol) else protocol_named(protocol)
    preprocess = plan.apply(preprocess)
    if plan.crops == 10:
        directed = next((name for name in model.classes or () if mirror_name(name) != name), None)
        if directed is not None:
            raise SpatempoError(
                f"10 crops: five of them are mirror images, which are not {directed!r} any more but "
                f"{mirror_name(directed)!r}; use 3 crops for these classes"
            )
        preprocess = TenCrop.extend(preprocess)
    preprocess.crops(plan.crops)  # raises for a number of crops that nobody has defined
    return plan, preprocess
