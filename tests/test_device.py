"""Device selection: one function, which training and testing both use."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from spatempo.device import find_kind, pick_device
from spatempo.errors import SpatempoError
from spatempo.learning.devices import find_place


def test_devices() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    for wrong in ("gpu", "cuda:99", "meta"):
        with pytest.raises(SpatempoError, match=f"'{wrong}' cannot be used here"):
            pick_device(wrong)


@pytest.mark.parametrize(
    ("cuda", "mps", "kind"), [(True, True, "cuda"), (False, True, "mps"), (True, False, "cuda"), (False, False, "cpu")]
)
def test_training_and_testing_choose_the_same_device(monkeypatch, cuda, mps, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto").type == find_place("auto").device == find_kind("auto") == kind


@pytest.mark.parametrize("wrong", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "auto:1", ":1", ""])
def test_a_training_device_that_is_not_known(wrong):
    with pytest.raises(SpatempoError, match=f"device '{wrong}' is not known; choose from auto, cpu, cuda, mps, cuda:0"):
        find_place(wrong)


def test_the_module_loads_no_torch():
    code = "import sys, spatempo.device; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
