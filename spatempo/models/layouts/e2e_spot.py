"""The layout of E2E-Spot's checkpoints (jhong93/spot): TSM and GSM in ResNets and in timm's RegNets and ConvNeXts.

The backbone is under ``_features``. Each convolution with an operator is wrapped (in a RegNet together with its batch
norm): ``_features.layer1.0.conv1.net.weight``. The key of its gate is ``_features.layer1.0.conv1.gsm.conv3D.weight``.
The classifier of each frame is ``_pred_fine._fc_out``. Other temporal heads (GRU, TCN, ASFormer) are not supported.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import partial

from torch import Tensor

from spatempo.models.layout import Operators, WeightLayout, Weights
from spatempo.models.layouts.gsm import shuffle_note
from spatempo.models.layouts.wrappers import operators_of
from spatempo.models.video_model import VideoModel
from spatempo.operators.shift import TemporalShift

_SHIFTED = re.compile(r"\.\w+\.net\.(?:conv\.)?weight$")
_LINEAR = {"_pred_fine._fc_out.weight": "head.fc.weight", "_pred_fine._fc_out.bias": "head.fc.bias"}


def _matches(names: Weights) -> bool:
    return any(n.startswith("_features.") for n in names)


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    """Renames keys to those of the video model, ``backbone.*`` and ``head.fc.*``; other temporal heads are dropped."""
    kept = [n for n in weights if n.startswith("_features.") or n in _LINEAR]
    return {_rename(name, names=weights): weights[name] for name in kept}


def _operators(names: Weights) -> Operators:
    """Operators of a file of E2E-Spot.

    E2E-Spot's shift is wrapped around the first convolution, but it modifies its input in place (``inplace=True``). As
    the shortcut has the same input, it is a shift before the whole block.
    """
    found = operators_of(names, partial(_rename, names=names))
    if TemporalShift not in found.values():
        return found
    blocks = [_SHIFTED.sub("", name).removeprefix("_features.") for name in names if _SHIFTED.search(name)]
    return {f"{block}.temporal_in": TemporalShift for block in blocks}


def _note(weights: Weights, model: VideoModel) -> str | None:
    note = shuffle_note(weights, model)
    if not any(n in _LINEAR for n in weights):
        head = "the temporal head of the file (GRU, TCN or ASFormer) is not loaded, and the classifier is untrained"
        note = head if note is None else f"{head}; {note}"
    return note


def _rename(name: str, *, names: Container[str]) -> str:
    if name in _LINEAR:
        return _LINEAR[name]
    if ".gsm." in name:
        wrapped, _, rest = name.partition(".gsm.")
        conv = f"{wrapped}.conv" if f"{wrapped}.net.conv.weight" in names else wrapped
        name = f"{conv}.temporal.{rest}"
    return f"backbone.{name.removeprefix('_features.').replace('.net.', '.')}"


LAYOUT = WeightLayout("jhong93/spot", _matches, _convert, operators=_operators, note=_note)
