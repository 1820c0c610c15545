"""2D backbones by name: spatempo's, torchvision's and timm's.

The libraries are imported only when a name needs them, because each takes longer to import than torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.backbones.base import Backbone, mean_pool
from spatempo.models.backbones.bninception import BNInception
from spatempo.models.backbones.caffe_layers import CAFFE_MEAN, CAFFE_STD, CaffeNet, rgb_weights
from spatempo.models.backbones.inception_v3 import InceptionV3
from spatempo.models.backbones.smallresnet import SmallResNet
from spatempo.models.chain import module_chain

# Common short names -> the libraries' full names.
ALIASES = {"resnext50": "resnext50_32x4d", "resnext101": "resnext101_32x8d", "wide_resnet50": "wide_resnet50_2"}
OURS: dict[str, Callable[[], nn.Module]] = {
    "smallresnet": SmallResNet,
    "bninception": BNInception,
    "inception_v3": InceptionV3,
}


def make_backbone(name: str) -> Backbone:
    """Builds a backbone with random weights.

    Args:
        name: looked up in spatempo, then torchvision, then timm; ``torchvision/NAME`` and ``timm/NAME`` choose
            explicitly.

    Raises:
        SpatempoError: no library has it, or its torchvision family is not supported.
    """
    library, _, short = name.rpartition("/")
    short = ALIASES.get(short, short)
    if library not in ("", "spatempo", "torchvision", "timm"):
        raise SpatempoError(f"backbone {name!r}: {library!r} is not a library; write timm/NAME or torchvision/NAME")
    if library in ("", "spatempo") and short in OURS:
        return _ours(short)
    names: list[str] = [*OURS]
    if library in ("", "torchvision"):
        from spatempo.models.backbones.torchvision_nets import make_torchvision, torchvision_names

        if short in torchvision_names():
            return make_torchvision(short)
        names += torchvision_names()
    if library in ("", "timm"):
        from spatempo.models.backbones.timm_nets import has_timm, make_timm, timm_names

        if has_timm(short):
            return make_timm(short)
        names += timm_names()
    near = difflib.get_close_matches(short, list(dict.fromkeys(names)), 3)
    hint = f"did you mean {', '.join(near)}?" if near else "see `spatempo models`"
    raise SpatempoError(f"backbone {name!r} is unknown to {library or 'spatempo, torchvision and timm'}: {hint}")


def _ours(name: str) -> Backbone:
    net = OURS[name]()
    base = Backbone(net, f"spatempo/{name}", int(getattr(net, "num_features", 0)), _call, mean_pool, ("fc.",))
    if isinstance(net, CaffeNet):
        base.classifier = ("fc.", "top_cls_fc.", "last_linear.")  # names in TSN, TSN's InceptionV3, and Cadene's models
        base.links = net.chain()
        base.preprocess = {"size": net.image_size, "mean": CAFFE_MEAN, "std": CAFFE_STD}
        base.adapt = partial(rgb_weights, first=next(name for name, _ in net.named_children()))
    elif isinstance(net, SmallResNet):
        base.links = module_chain(*(child for child, _ in net.named_children()))
    return base


def _call(net: nn.Module, x: Tensor) -> Tensor:
    return net(x)
