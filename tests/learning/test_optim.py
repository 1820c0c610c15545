"""Parameter groups and schedules, compared with the published rules and torch's own schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.learning.freeze import freeze
from spatempo.learning.optim import lr_factor, make_optimizer, make_scheduler
from spatempo.learning.optim import parameter_groups as groups_of
from spatempo.learning.recipe import Recipe
from spatempo.learning.recipes import RECIPES
from spatempo.models.registry import create_model


class Net(nn.Module):
    """A stem, a block with a bias, a layer norm and a per-channel scale, and a head."""

    def __init__(self, modality: str = "rgb") -> None:
        super().__init__()
        self.preprocess = Preprocess(modality=modality)
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 1)
        self.bn2 = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 1, groups=4, bias=False)  # [4, 1, 1, 1]: still a weight
        self.norm = nn.GroupNorm(1, 4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.shared = self.conv2
        self.head = nn.Module()
        self.head.fc = nn.Linear(4, 2)

    @property
    def backbone(self) -> nn.Module:
        return self

    def new_parameters(self) -> list[nn.Parameter]:
        return []

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.head.parameters())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return self.head.fc((self.norm(x) * self.scale).mean((2, 3)))


PUBLISHED = replace(RECIPES["tsm-something"], lr=0.1)


@pytest.mark.parametrize("modality", ["rgb", "rgbdiff", "flow"])
def test_published_groups(modality: str) -> None:
    """Rates and decays of ``get_optim_policies`` of TSM and TSN; for flow the first convolution has its own groups."""
    net = Net(modality)
    names = {id(p): n for n, p in net.named_parameters()}
    found = {
        group["name"]: (sorted(names[id(p)] for p in group["params"]), group["lr"] / 0.1, group["weight_decay"])
        for group in groups_of(net, PUBLISHED)
    }
    first = ["conv1.bias", "conv1.weight"] if modality == "flow" else []
    own = {"first weight": (["conv1.weight"], 5, 5e-4), "first bias": (["conv1.bias"], 10, 0)} if first else {}
    assert found == own | {
        "weights": ([n for n in ("conv1.weight", "conv2.weight", "depthwise.weight") if n not in first], 1, 5e-4),
        "biases": ([n for n in ("conv1.bias", "conv2.bias") if n not in first], 2, 0),
        "norms": (["bn1.bias", "bn1.weight", "bn2.bias", "bn2.weight", "norm.bias", "norm.weight", "scale"], 1, 0),
        "head weight": (["head.fc.weight"], 5, 5e-4),
        "head bias": (["head.fc.bias"], 10, 0),
    }


@pytest.mark.parametrize("name", ["tsn_bninception", "tsm_resnet18", "r2plus1d_18"])
def test_the_first_convolution_of_a_real_model_takes_the_flow(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name, num_classes=5, modality="flow")
    groups = {group["name"]: group["params"] for group in groups_of(model, PUBLISHED)}
    assert [p.shape[1] for p in groups["first weight"]] == [model.preprocess.channels]


def test_every_parameter_is_in_one_group_of_a_real_model() -> None:
    model = create_model("tsm_mobilenet_v2", num_classes=5)
    grouped = [id(p) for group in groups_of(model, PUBLISHED) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_frozen_parameters_are_in_no_group() -> None:
    net = Net()
    freeze(net, Recipe(freeze=True))
    assert [g["name"] for g in groups_of(net, PUBLISHED)] == ["head weight", "head bias"]
    net.requires_grad_(False)
    with pytest.raises(SpatempoError, match="frozen"):
        groups_of(net, PUBLISHED)


def test_one_sgd_step_by_hand() -> None:
    net = Net()
    optimizer = make_optimizer(net, PUBLISHED)
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, rate, decay in [
        ("conv1.weight", 0.1, 5e-4),
        ("conv2.bias", 0.2, 0),
        ("bn1.weight", 0.1, 0),
        ("head.fc.weight", 0.5, 5e-4),
        ("head.fc.bias", 1.0, 0),
    ]:
        wanted = before[name] - rate * (1 + decay * before[name])
        torch.testing.assert_close(net.get_parameter(name).detach(), wanted)


def test_adamw() -> None:
    optimizer = make_optimizer(Net(), Recipe(optimizer="adamw", lr=1e-3, weight_decay=0.05))
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {g["name"]: g["weight_decay"] for g in optimizer.param_groups}["norms"] == 0


@pytest.mark.parametrize(("steps", "warmup"), [(40, 0.3), (7, 0.25), (101, 0.1)])
def test_onecycle_equals_that_of_torch(steps: int, warmup: float) -> None:
    weight = [nn.Parameter(torch.zeros(1))]
    reference = torch.optim.SGD(weight, lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        reference, max_lr=0.04, total_steps=steps, pct_start=warmup, cycle_momentum=False
    )
    for step in range(steps):
        ours = 0.04 * lr_factor(Recipe(schedule="onecycle", warmup=warmup), step, steps)
        assert ours == pytest.approx(reference.param_groups[0]["lr"], rel=1e-9)
        reference.step()
        if step + 1 < steps:
            schedule.step()


def test_cosine_with_warmup_by_hand() -> None:
    r = Recipe(schedule="cosine", warmup=0.2)
    found = [lr_factor(r, step, 10) for step in range(10)]
    assert found[:3] == pytest.approx([0.1, 0.55, 1.0])
    assert found[6] == pytest.approx(0.5)  # half-way between steps 2 and 10
    assert found == [*found[:2], *sorted(found[2:], reverse=True)]
    assert 0 < found[9] < 0.05


def test_step_schedule_drops_where_published() -> None:
    r = Recipe(schedule="step", warmup=0, steps=(0.4, 0.8), gamma=0.1)
    per_epoch = 7
    factors = [lr_factor(r, step, 50 * per_epoch) for step in range(50 * per_epoch)]
    epochs = [factors[e * per_epoch] for e in range(50)]
    assert epochs == pytest.approx([1.0] * 20 + [0.1] * 20 + [0.01] * 10)
    assert factors[20 * per_epoch - 1] == 1.0


def test_scheduler_scales_each_group() -> None:
    optimizer = make_optimizer(Net(), PUBLISHED)
    scheduler = make_scheduler(optimizer, Recipe(lr=0.1, schedule="step", warmup=0, steps=(0.5,)), 2)
    optimizer.step()
    scheduler.step()
    assert {g["name"]: g["lr"] for g in optimizer.param_groups}["head bias"] == pytest.approx(0.1)
