"""Freezing: the image network does not change; the head and the parameters of operators are trained."""

from __future__ import annotations

import pytest
from networks import clips
from torch.nn.modules.batchnorm import _BatchNorm

from spatempo.learning.freeze import freeze
from spatempo.learning.recipe import Recipe
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel


def make(name: str, **options: object) -> VideoModel:
    return create_model(name, num_classes=3, size=32, **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "options", "new"),
    [
        ("tsm_smallresnet", {}, None),
        ("gsm_smallresnet", {}, ".temporal."),
        ("gsf_smallresnet", {}, ".temporal."),
        ("tsm_smallresnet", {"non_local": True}, ".temporal."),
        ("sth_smallresnet", {}, ".attention."),
        ("sth_smallresnet", {"integration": "sum"}, None),
        ("r2plus1d_18", {"width": 4}, None),
    ],
)
def test_the_head_and_new_parameters_are_trained(name, options, new):
    model = make(name, **options)
    freeze(model, Recipe(freeze=True))
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    added = {n for n, _ in model.named_parameters() if new is not None and new in n}
    assert learning == added | {"head.fc.weight", "head.fc.bias"}
    assert bool(added) is (new is not None)


@pytest.mark.parametrize("recipe", [Recipe(partial_bn=True), Recipe(freeze=True)])
def test_batch_norms_of_the_image_network_are_frozen_and_those_of_gates_are_not(recipe):
    model = make("gsm_smallresnet")
    keep_frozen = freeze(model, recipe)
    norms = {n: m for n, m in model.named_modules() if isinstance(m, _BatchNorm)}
    for _ in range(2):
        model.train()
        keep_frozen()
        model(clips()).square().sum().backward()
    free = {n for n in norms if ".temporal." in n}
    assert len(free) == 5
    if recipe.partial_bn:
        free.add("backbone.bn1")  # the first one
    assert {n for n, m in norms.items() if m.running_mean.any()} == free
    assert {n for n, m in norms.items() if m.weight.grad is not None} == free
