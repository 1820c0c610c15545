"""A causal design that replaces a convolution and its batch norm by one operator, initialised from image-pretrained
weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spatempo import create_model
from spatempo.models import Build, Parts, register_design, replace_module, require_sites
from spatempo.operators import ForwardContext, Reach, ReplacingOperator, State


class FoldedTemporalConv(ReplacingOperator):
    """A 3x3 convolution with its batch norm folded in, plus a depthwise 1x1 convolution of the previous frame.

    ``y[t] = W x[t] + b + d * x[t - 1]``, where W and b include the scale and shift of the batch norm.
    """

    def __init__(self, context: ForwardContext, conv: nn.Conv2d, causal: bool) -> None:
        super().__init__(context, causal=causal)
        self.weight = nn.Parameter(torch.randn_like(conv.weight) * 0.05)
        self.bias = nn.Parameter(torch.zeros(conv.out_channels))
        self.before = nn.Parameter(torch.ones(conv.out_channels))
        norm = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (conv.out_channels,))
        counter: dict[str, tuple[int, ...]] = {"1.num_batches_tracked": ()}
        self.image_shapes = {"0.weight": tuple(conv.weight.shape), **{f"1.{k}": v for k, v in norm.items()}, **counter}

    @property
    def reach(self) -> Reach:
        return Reach(1, 0)

    def image_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        scale = weights["1.weight"] / (weights["1.running_var"] + 1e-5).sqrt()
        bias = weights["1.bias"] - weights["1.running_mean"] * scale
        return {
            "weight": weights["0.weight"] * scale[:, None, None, None],
            "bias": bias,
            "before": torch.zeros_like(bias),
        }

    def mix(self, clip: Tensor) -> Tensor:
        return self._mix(clip, F.pad(clip, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1])

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        last = torch.zeros_like(clip[:, 0]) if past is None else past[0]
        return self._mix(clip, torch.cat([last[:, None], clip[:, :-1]], 1)), (clip[:, -1],)

    def _mix(self, clip: Tensor, before: Tensor) -> Tensor:
        now = F.conv2d(clip.flatten(0, 1), self.weight, self.bias, padding=1).unflatten(0, clip.shape[:2])
        return now + before * self.before[:, None, None]


def test_one_operator_replaces_a_convolution_and_its_batch_norm(check_design, tmp_path):
    @register_design("folded", source="a test", backbones=("smallresnet",))
    def folded(build: Build, *, causal: bool = False) -> Parts:
        for site in require_sites(build.net, build.source)[:1]:
            conv_and_norm = nn.Sequential(site.block.conv2, site.block.bn2)  # names in the weight file: conv2.*, bn2.*
            site.block.conv2, site.block.bn2 = conv_and_norm, nn.Identity()
            replace_module(build, f"{site.name}.conv2", FoldedTemporalConv(build.context, conv_and_norm[0], causal))
        return Parts(causal=causal)

    model = check_design("folded_smallresnet", causal=True)
    assert model.state_names[0] == "backbone.layer1.0.conv2.past"
    plain = create_model("tsn_smallresnet", num_classes=3, size=32)
    weights = {n.removeprefix("backbone."): w for n, w in plain.state_dict().items() if n.startswith("backbone.")}
    weights = {n.replace("layer1.0.conv2.", "layer1.0.conv2.0.").replace("layer1.0.bn2.", "layer1.0.conv2.1."): w
               for n, w in weights.items()}  # fmt: skip
    torch.save(weights, tmp_path / "image.pth")
    made = create_model("folded_smallresnet", pretrained=str(tmp_path / "image.pth"), mean=(0.5,) * 3, std=(1,) * 3)
    clip = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(made.eval().forward_features(clip), plain.eval().forward_features(clip))
