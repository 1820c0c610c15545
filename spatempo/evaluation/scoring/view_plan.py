"""Combine a protocol with the input specification of a model, for ``test`` and ``predict``."""

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
    """Return the protocol and the input specification of the model for this protocol.

    Args:
        model: its ``classes``, if not None, show whether a mirror image belongs to another class.
        protocol, clips, crops: as in :func:`~spatempo.evaluation.scoring.evaluate.evaluate`.

    Raises:
        SpatempoError: a protocol and counts are both given, the number of crops is not supported, or there are ten
            crops (five are mirror images) and a class name contains a direction.
    """
    preprocess = check_classifier(model)
    if protocol is None:
        plan = views(preprocess, clips=clips, crops=crops)
    elif clips is not None or crops is not None:
        raise SpatempoError("a protocol defines the clips and crops; give either the protocol or clips and crops")
    else:
        plan = protocol if isinstance(protocol, Protocol) else protocol_named(protocol)
    preprocess = plan.apply(preprocess)
    if plan.crops == 10:
        directed = next((name for name in model.classes or () if mirror_name(name) != name), None)
        if directed is not None:
            raise SpatempoError(
                f"10 crops: five of them are mirror images, which turn {directed!r} into "
                f"{mirror_name(directed)!r}; use 3 crops for these classes"
            )
        preprocess = TenCrop.extend(preprocess)
    preprocess.crops(plan.crops)  # raises if this number of crops is not supported
    return plan, preprocess
