"""Recipes: published numbers, rules for fields that are None, errors on one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from spatempo.errors import SpatempoError
from spatempo.learning.optim import lr_factor
from spatempo.learning.recipe import Recipe, differences
from spatempo.learning.recipes import RECIPES, recipe, resolve


def resolved(given: Recipe, **facts: object) -> Recipe:
    return resolve(given, **{"clips": 1000, "classes": ("a", "b"), "short_side": 240, "weights": True, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "clips", "published"),
    [
        # TSM's README and scripts: rate at its batch, epochs, steps, decay, dropout
        ("tsm-something", 86_017, (0.01, 64, 50, (20, 40), 5e-4, 0.5, False)),
        ("tsm-kinetics", 240_000, (0.02, 128, 50, (20, 40), 1e-4, 0.5, False)),
        ("ucf-finetune", 9_537, (0.001, 64, 25, (10, 20), 5e-4, 0.8, True)),
    ],
)
def test_published_recipes(name: str, clips: int, published: tuple[object, ...]) -> None:
    r = resolved(RECIPES[name], clips=clips)
    steps = tuple(round(step * r.epochs) for step in r.steps)
    assert (r.lr, r.batch_size, r.epochs, steps, r.weight_decay, r.dropout, r.partial_bn) == published
    assert (r.optimizer, r.momentum, r.clip_norm, r.schedule, r.gamma) == ("sgd", 0.9, 20, "step", 0.1)
    assert (r.bias_lr, r.head_lr, r.first_conv_lr) == (2, 5, 5)
    assert r.size == 224


def test_short_clips_then_long_ones_as_published() -> None:
    """The R(2+1)D paper: 0.01 for 45 epochs, then 0.001 for 15, with drops to a tenth. Here an epoch has 10 steps."""
    short, long = (resolved(RECIPES[name], clips=240_000) for name in ("r2plus1d", "r2plus1d-longer"))
    assert (short.lr, short.epochs, short.frames, long.lr, long.epochs, long.frames) == (0.01, 45, 8, 0.001, 15, 32)
    for r in (short, long):
        assert (r.batch_size, r.sampling, r.size, r.weight_decay, r.dropout) == (32, "dense", 112, 1e-4, 0)

    def rates(r: Recipe) -> list[float]:
        """Learning rates at the first step of every epoch, as multiples of the peak."""
        return [lr_factor(r, 10 * epoch, 10 * r.epochs) for epoch in range(r.epochs)]

    assert rates(long) == pytest.approx([1] * 4 + [0.1] * 4 + [0.01] * 4 + [0.001] * 3)
    assert rates(short)[10:] == pytest.approx([1] * 10 + [0.1] * 10 + [0.01] * 10 + [0.001] * 5)
    assert rates(short)[:10] == sorted(rates(short)[:10])
    assert rates(short)[9] < 1


def test_default_is_finetune_with_weights_and_scratch_without() -> None:
    assert recipe(None, weights=True).name == "finetune"
    assert recipe(None, weights=False).name == "scratch"
    assert recipe("demo", weights=True, epochs=3, lr=None).epochs == 3
    assert recipe({"name": "finetune", "epochs": 7}, weights=False).epochs == 7


def test_rate_scales_with_the_effective_batch_size_for_sgd_only() -> None:
    r = Recipe(base_lr=0.02, base_batch=128, batch_size=8, accumulate=4)
    assert resolved(r, devices=2).lr == pytest.approx(0.02 * 8 * 4 * 2 / 128)
    assert resolved(Recipe(lr=0.3, batch_size=8)).lr == 0.3
    assert resolved(Recipe(optimizer="adamw", base_lr=2e-3, base_batch=32, batch_size=8)).lr == 2e-3


@pytest.mark.parametrize(("short_side", "size"), [(132, 112), (223, 112), (224, None), (480, None), (None, None)])
def test_size_depends_on_the_data(short_side: int | None, size: int) -> None:
    assert resolved(Recipe(), short_side=short_side).size == size
    assert resolved(Recipe(size=96), short_side=short_side).size == 96


def test_batch_size_is_at_most_the_number_of_clips() -> None:
    assert resolved(Recipe(batch_size=16, accumulate=4), clips=10).batch_size == 10
    assert resolved(Recipe(batch_size=16, accumulate=4), clips=10).accumulate == 1
    assert resolved(Recipe(batch_size=16, accumulate=4), clips=40).accumulate == 2
    with pytest.raises(SpatempoError, match="1 training clip"):
        resolved(Recipe(), clips=1, devices=2)


def test_flip_depends_on_the_classes() -> None:
    assert resolved(Recipe(flip="auto")).flip == "plain"
    assert resolved(Recipe(flip="auto"), classes=("turn left", "turn right", "wave")).flip == "labels"
    assert resolved(Recipe(flip="plain"), classes=("a", "b")).flip == "plain"
    with pytest.raises(SpatempoError, match="turn left"):
        resolved(Recipe(flip="auto"), classes=("turn left", "wave"))


def test_factors_of_new_layers_are_used_only_with_given_weights() -> None:
    for weights, rate in ((True, 5), (False, 1)):
        r = resolved(RECIPES["tsm-something"], weights=weights)
        assert (r.head_lr, r.first_conv_lr) == (rate, rate)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", True),
        ("lr", 0),
        ("lr", float("nan")),
        ("dropout", 1.0),
        ("optimizer", "lion"),
        ("precision", "fp8"),
        ("flip", "sideways"),
        ("steps", (0.5, 1.5)),
        ("size", 0),
        ("seed", -1),
        ("ema", 1),
        ("weight_decay", -1e-4),
        ("steps", 0.5),
        ("steps", ("a",)),
        ("freeze", "maybe"),
        ("frames", 100_000_000),
        ("size", 99_999_999),
        ("lr", float("inf")),
        ("epochs", None),
    ],
)
def test_errors_contain_the_field_with_the_invalid_value(field: str, value: object) -> None:
    with pytest.raises(SpatempoError, match=f"`{field}=") as caught:
        Recipe(**{field: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_unknown_names_are_errors() -> None:
    with pytest.raises(SpatempoError, match="learning_rate"):
        recipe(None, weights=True, learning_rate=0.1)
    with pytest.raises(SpatempoError, match="tsm-something"):
        recipe("tsm", weights=True)


@pytest.mark.parametrize("name", RECIPES)
def test_round_trip_through_json(name: str) -> None:
    assert RECIPES[name].name == name
    assert Recipe.from_dict(json.loads(json.dumps(RECIPES[name].to_dict()))) == RECIPES[name]


def test_differences_are_listed() -> None:
    assert differences({"lr": 1, "a": 2}, {"lr": 3, "a": 2, "b": None}) == ["lr was 1, now 3"]


def test_recipes_load_without_torch() -> None:
    code = "import spatempo.learning.recipes, sys; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
