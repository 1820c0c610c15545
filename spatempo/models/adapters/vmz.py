"""The layout of VMZ's R(2+1)D (facebookresearch/VMZ's PyTorch port and moabitcoin/ig65m-pytorch's conversions).

The keys are torchvision's; what differs is the number of mid channels (worked out for each convolution: 288, 576 and
1152 in ``layer{2,3,4}.0.conv2``) and, which no key tells, the epsilon 1e-3 of every batch norm. The model sets that
when weights of this layout come in. (Both repositories also set a momentum of 0.9, which is Caffe2's way to say 0.1.)
"""

from __future__ import annotations

from torch import Tensor

from spatempo.models.adapters import torchvision_video
from spatempo.models.adapters.torchvision_video import convert as convert
from spatempo.models.video_model import VideoModel


def matches(weights: dict[str, Tensor]) -> bool:
    """Whether these are weights of such a file."""
    return torchvision_video.matches(weights) and midplanes(weights) == "paper"


def remark(weights: dict[str, Tensor], model: VideoModel) -> str | None:
    """What to say about such weights in this model: whether there is a max-pool after the stem, no key tells."""
    if not _is_bottleneck(weights) or model.options.get("stem_pool", True):
        return None
    return (
        "VMZ's PyTorch port has a max-pool after the stem of its bottleneck networks (R(2+1)D-152) and this model has "
        "none: create it with stem_pool=True if the weights are the port's, as they need it"
    )


def midplanes(weights: dict[str, Tensor]) -> str | None:
    """The rule that the mid channels of R(2+1)D weights follow: ``paper``, ``torchvision``, or ``None`` for neither."""
    shapes = {k.removeprefix("module."): tuple(v.shape) for k, v in weights.items()}
    bottleneck = _is_bottleneck(weights)
    # two convolutions whose mid channels are the same by one of the two rules only
    first, second = (
        ("layer1.0.conv2.0.0.weight", "layer1.1.conv2.0.0.weight")
        if bottleneck
        else ("layer2.0.conv1.0.0.weight", "layer2.0.conv2.0.0.weight")
    )
    if first not in shapes or second not in shapes:
        return None
    same = shapes[first][0] == shapes[second][0]
    return "paper" if same == bottleneck else "torchvision"


def _is_bottleneck(weights: dict[str, Tensor]) -> bool:
    return any(k.removeprefix("module.") == "layer1.0.conv3.0.weight" for k in weights)
