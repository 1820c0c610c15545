"""A design like TDN: every frame of the clip is a stack of frames, and the stem uses their differences."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spatempo import create_model
from spatempo.inputs import Preprocess
from spatempo.models import Build, Parts, plug_at_conv, register_design, replace_module, residual_sites
from spatempo.operators import ForwardContext, Reach, ReplacingOperator, State, TemporalShift


class DifferenceStem(ReplacingOperator):
    """The image network's convolution on the middle frame, plus a new one on the differences within the stack."""

    state_names = ()

    def __init__(self, context: ForwardContext, conv: nn.Conv2d, stack: int, causal: bool) -> None:
        super().__init__(context, causal=causal)
        shape = (conv.out_channels, 3, *conv.kernel_size)
        self.stack, self.stride, self.padding = stack, conv.stride, conv.padding
        self.weight = nn.Parameter(torch.randn(shape) * 0.1)
        self.changes = nn.Parameter(torch.randn(shape[0], 3 * (stack - 1), *shape[2:]) * 0.1)
        self.image_shapes = {"weight": shape}

    @property
    def reach(self) -> Reach:
        return Reach(0, 0)

    def image_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"weight": weights["weight"], "changes": torch.zeros_like(self.changes)}

    def mix(self, clip: Tensor) -> Tensor:
        frames = clip.flatten(0, 1).unflatten(1, (self.stack, 3))
        changes = (frames[:, 1:] - frames[:, :-1]).flatten(1, 2)
        maps = F.conv2d(frames[:, self.stack // 2], self.weight, None, self.stride, self.padding)
        maps = maps + F.conv2d(changes, self.changes, None, self.stride, self.padding)
        return maps.unflatten(0, clip.shape[:2])

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        return self.mix(clip), ()


def test_a_design_uses_the_differences_within_a_stack(check_design, tmp_path):
    @register_design("changes", source="a test", backbones=("smallresnet",), preprocess=Preprocess(stack=3))
    def changes(build: Build, *, causal: bool = False) -> Parts:
        stem = DifferenceStem(build.context, build.net.conv1, build.input.stack, causal)
        replace_module(build, "conv1", stem)
        for site in residual_sites(build.net):
            plug_at_conv(build, site.conv_name, TemporalShift(build.context, causal=causal))
        return Parts(causal=causal)

    assert create_model("changes_smallresnet").preprocess.channels == 9  # declared by the design
    model = check_design("changes_smallresnet", modality="rgb", stack=5, causal=True)
    assert (model.preprocess.channels, model.preprocess.span) == (15, 5)
    assert model.backbone.conv1.changes.shape[1] == 12
    plain = create_model("tsm_smallresnet", num_classes=3, causal=True, size=32).eval()
    weights = {n.removeprefix("backbone."): w for n, w in plain.state_dict().items() if n.startswith("backbone.")}
    torch.save(weights, tmp_path / "image.pth")
    image = {"pretrained": str(tmp_path / "image.pth"), "mean": (0.5,) * 3, "std": (1,) * 3}
    made = create_model("changes_smallresnet", stack=5, causal=True, **image)
    clip = torch.randn(1, 15, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    middle = plain.forward_features(clip[:, 6:9])
    torch.testing.assert_close(made.eval().forward_features(clip), middle)
