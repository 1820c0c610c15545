"""The example of CONTRIBUTING.md runs as written: one file defines a complete design."""

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
# the checks that tests/models/test_contract.py makes for each design
CHECKS = {
    name: check
    for name, check in vars(contract).items()
    if name.startswith("test_") and "design" in inspect.signature(check).parameters
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """``tavg.py`` outside the package, as a user would save it."""
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


def average(module: ModuleType, values: list[float], causal: bool, step_frames: int | None = None) -> list[float]:
    """Output for one channel of 1x1 frames: of the complete clip, or in steps of `step_frames` frames."""
    operator = module.TemporalAverage(ForwardContext(), causal=causal)
    clip = torch.tensor(values).view(1, -1, 1, 1, 1)
    if step_frames is None:
        return operator.mix(clip).flatten().tolist()
    state, outputs = None, []
    for frames in clip.split(step_frames, 1):
        mixed, state = operator.mix_step(frames, state)
        assert len(state) == len(operator.state_names)
        outputs += mixed.flatten().tolist()
    return outputs


def test_operator_on_values_worked_out_by_hand(tavg: ModuleType) -> None:
    assert average(tavg, [3, 6, 9, 0], causal=False) == [3, 6, 5, 3]
    assert average(tavg, [3, 6, 9, 0], causal=True) == [1, 3, 6, 5]
    for step_frames in (1, 2, 4):
        assert average(tavg, [3, 6, 9, 0], causal=True, step_frames=step_frames) == [1, 3, 6, 5]


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_design_passes_every_check_of_the_package(
    check: str, tavg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(contract.SMALL, "tavg", ("smallresnet", {}))
    arguments = {"design": "tavg", "tmp_path": tmp_path / "checkpoint"}
    CHECKS[check](**{name: arguments[name] for name in inspect.signature(CHECKS[check]).parameters})


def test_the_checks_are_found() -> None:
    assert len(CHECKS) >= 8


@torch.no_grad()
def test_works_in_a_residual_backbone_and_uses_order_only_if_causal(tavg: ModuleType) -> None:
    clip = torch.randn(1, 3, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    for causal in (False, True):
        model = create_model("tavg_resnet18", causal=causal, num_classes=10, size=64)
        randomise(model)
        assert sum(f"{tavg.TemporalAverage.__name__}(" in line for line in model.plugged) == 8
        difference = float((model(clip) - model(clip.flip(2))).abs().max() / model(clip).abs().max())
        assert (difference > 1e-3) == causal


def test_loading_a_checkpoint_without_the_design_names_the_fix(tavg: ModuleType, tmp_path: Path) -> None:
    model = create_model("tavg_smallresnet", num_classes=2)
    save_checkpoint(model, tmp_path)
    del DESIGNS["tavg"]
    with pytest.raises(SpatempoError, match=r"model\.safetensors: .*design 'tavg'.*import the file"):
        load(tmp_path)


def test_the_file_runs_as_a_command(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(file), "info", "tavg_smallresnet", "--size", "32"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "tavg_smallresnet" in done.stdout
