"""The example of CONTRIBUTING.md, run as it stands there: one file makes a design like any other."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from models import test_contract as contract
from networks import randomise

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.design import DESIGNS
from spatempo.models.registry import create_model
from spatempo.operators.context import ForwardContext

GUIDE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
# what tests/models/test_contract.py asks of each design
PROMISES = {
    name: check
    for name, check in vars(contract).items()
    if name.startswith("test_") and "design" in inspect.signature(check).parameters
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """``tavg.py`` as a user would keep it, anywhere."""
    (code,) = (
        block for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.S) if "class " in block
    )
    (tmp_path / "tavg.py").write_text(code, "utf-8")
    return tmp_path / "tavg.py"


@pytest.fixture
def tavg(file: Path) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("tavg", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tavg"] = module
    spec.loader.exec_module(module)
    yield module
    DESIGNS.pop("tavg", None)  # other tests count the designs
    del sys.modules["tavg"]


def average(module: ModuleType, values: list[float], causal: bool, at_once: int | None = None) -> list[float]:
    """The operator on one channel of 1x1 frames, whole or in steps of so many."""
    operator = module.TemporalAverage(ForwardContext(), causal=causal)
    clip = torch.tensor(values).view(1, -1, 1, 1, 1)
    if at_once is None:
        return operator.mix(clip).flatten().tolist()
    past, seen = None, []
    for frames in clip.split(at_once, 1):
        mixed, past = operator.mix_step(frames, past)
        assert len(past) == len(operator.state_names)
        seen += mixed.flatten().tolist()
    return seen


def test_the_operator_on_values_worked_out_by_hand(tavg: ModuleType) -> None:
    assert average(tavg, [3, 6, 9, 0], causal=False) == [3, 6, 5, 3]
    assert average(tavg, [3, 6, 9, 0], causal=True) == [1, 3, 6, 5]
    for at_once in (1, 2, 4):
        assert average(tavg, [3, 6, 9, 0], causal=True, at_once=at_once) == [1, 3, 6, 5]


@pytest.mark.parametrize("promise", sorted(PROMISES))
def test_it_keeps_every_promise_of_the_designs(
    promise: str, tavg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(contract.SMALL, "tavg", ("smallresnet", {}))
    asked = {"design": "tavg", "tmp_path": tmp_path / "checkpoint"}
    PROMISES[promise](**{name: asked[name] for name in inspect.signature(PROMISES[promise]).parameters})


def test_the_promises_are_there() -> None:
    names = ("frame_by_frame_equals", "clips_in_a_batch_are_independent", "a_checkpoint_restores_the_model")
    for promise in names:
        assert any(name.startswith(f"test_{promise}") for name in PROMISES)


@torch.no_grad()
def test_it_plugs_into_any_residual_backbone_and_sees_order_as_the_text_says(tavg: ModuleType) -> None:
    clip = torch.randn(1, 3, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    for causal in (False, True):
        model = create_model("tavg_resnet18", causal=causal, num_classes=10, size=64)
        randomise(model)
        assert sum(f"{tavg.TemporalAverage.__name__}(" in line for line in model.plugged) == 8
        difference = float((model(clip) - model(clip.flip(2))).abs().max() / model(clip).abs().max())
        assert (difference > 1e-3) == causal


def test_a_checkpoint_without_its_file_says_what_to_do(tavg: ModuleType, tmp_path: Path) -> None:
    model = create_model("tavg_smallresnet", num_classes=2)
    save_checkpoint(model, tmp_path)
    del DESIGNS["tavg"]
    with pytest.raises(SpatempoError, match=r"model\.safetensors: .*design 'tavg'.*import the file"):
        load(tmp_path)


def test_the_file_brings_every_verb(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(file), "info", "tavg_smallresnet", "--size", "32"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "tavg_smallresnet" in done.stdout
