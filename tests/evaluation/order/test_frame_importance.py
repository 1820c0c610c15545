"""Temporal occlusion and Grad-CAM on models with known dependence on frames and pixels."""

from __future__ import annotations

import pytest
import torch
from networks import randomise
from torch import Tensor, nn

from spatempo.evaluation.order.grad_cam import grad_cam
from spatempo.evaluation.order.occlusion import occlude_frames
from spatempo.inputs.spec import Preprocess
from spatempo.models.head import LinearHead
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel
from spatempo.operators.context import ForwardContext


class WeightedFrames(nn.Module):
    """Two scores, x and -x, where x is the weighted sum of the brightness of the frames."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.weights = torch.tensor(weights, dtype=torch.float32)
        self.largest_batch = 0

    def forward(self, clip: Tensor) -> Tensor:
        self.largest_batch = max(self.largest_batch, len(clip))
        x = clip.mean((1, 3, 4)) @ self.weights
        return torch.stack([x, -x], 1)


def lit(values: list[float]) -> Tensor:
    return torch.tensor(values)[None, None, :, None, None].expand(1, 3, len(values), 4, 4).contiguous()


def sigmoid(x: float) -> float:
    return float(torch.tensor(x).sigmoid())


def test_only_the_frame_with_a_weight_matters():
    drops = occlude_frames(WeightedFrames([0, 0, 1, 0]), lit([0.3, -0.2, 0.9, 0.4]), 0)
    # softmax of (x, -x) is sigmoid(2x); frame 3 becomes frame 2
    assert drops.tolist() == [0, 0, pytest.approx(sigmoid(1.8) - sigmoid(-0.4)), 0]
    other = occlude_frames(WeightedFrames([0, 0, 1, 0]), lit([0.3, -0.2, 0.9, 0.4]), 1)
    torch.testing.assert_close(other, -drops)


def test_the_first_frame_is_replaced_by_the_second():
    model = WeightedFrames([1, 0, 0])
    drops = occlude_frames(model, lit([0.5, 0.1, 0.0]), 0, chunk=2)
    assert drops.tolist() == [pytest.approx(sigmoid(1.0) - sigmoid(0.2)), 0, 0]
    assert model.largest_batch == 2


def test_frame_equal_to_its_neighbour_has_no_importance_in_a_real_network():
    model = randomise(create_model("tsm_smallresnet", num_classes=3, size=32), size=32)
    clip = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    clip[:, :, 2] = clip[:, :, 1]
    drops = occlude_frames(model, clip, 1)
    assert abs(float(drops[2])) < 1e-6
    assert drops[[0, 1, 3]].abs().min() > 1e-5


class Linear(VideoModel):
    """Uses the clip itself as feature maps with three channels, and a linear layer on their mean."""

    def __init__(self) -> None:
        head = LinearHead(3, 2)
        with torch.no_grad():
            head.fc.weight.copy_(torch.tensor([[1.0, -2.0, 0.0], [0.0, 0.0, 3.0]]))
        facts = {"num_classes": 2, "dropout": 0.5, "preprocess": Preprocess(frames=2, size=2)}
        super().__init__("linear", "linear", {}, nn.Identity(), "none", head, context=ForwardContext(), **facts)

    def forward_features(self, clip: Tensor) -> Tensor:
        return clip


def test_grad_cam_by_hand():
    clip = torch.zeros(1, 3, 2, 2, 2)
    clip[0, 0, 0, 0, 0] = 4  # red supports class 0
    clip[0, 0, 1, 1, 0] = 2  # half as strongly here
    clip[0, 1, 1, 0, 1] = 5  # green is evidence against class 0
    clip[0, 2, 0, 1, 1] = 7  # blue supports class 1
    heat = grad_cam(Linear(), clip, 0)
    expected = torch.zeros(2, 2, 2)
    expected[0, 0, 0], expected[1, 1, 0] = 1, 0.5
    torch.testing.assert_close(heat, expected)
    expected = torch.zeros(2, 2, 2)
    expected[0, 1, 1] = 1
    torch.testing.assert_close(grad_cam(Linear(), clip, 1), expected)
    assert grad_cam(Linear(), -clip.abs(), 1).max() == 0  # nothing supports the class


def test_heat_map_has_the_size_of_the_clip():
    for name, options in [("tsm_smallresnet", {}), ("r3d_18", {"width": 8})]:
        model = randomise(create_model(name, num_classes=3, size=32, **options), size=32)
        model.train()
        heat = grad_cam(model, torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0)), 2)
        assert heat.shape == (8, 32, 32)
        assert (float(heat.min()), float(heat.max())) >= (0, 0.99)
        assert all(p.grad is None for p in model.parameters())
        assert model.training


@pytest.mark.parametrize(
    ("design", "backbone"),
    [("tsm", "smallresnet"), ("tsm", "mobilenet_v2"), ("tsm", "timm/mobilenetv3_small_050"), ("sth", "resnet18")],
)
@torch.no_grad()
def test_head_on_the_last_maps_gives_the_logits_of_the_frames(design, backbone):
    model = randomise(create_model(design, backbone=backbone, num_classes=3, size=32), size=32)
    clip = torch.randn(2, 3, 4, 32, 32)
    torch.testing.assert_close(model.forward_head_frames(model.forward_features(clip)), model.forward_frames(clip))
    native = randomise(create_model("r2plus1d_18", num_classes=3, size=32, width=8), size=32)
    torch.testing.assert_close(native.forward_head_frames(native.forward_features(clip)), native.forward_frames(clip))
