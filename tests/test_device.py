"""Device selection, which training and testing share."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from spatempo.device import find_kind, pick_device
from spatempo.errors import SpatempoError
from spatempo.learning.devices import find_device_setup


def test_pick_device() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    for wrong in ("gpu", "cuda:99", "meta"):
        with pytest.raises(SpatempoError, match=f"'{wrong}' cannot be used \\("):
            pick_device(wrong)


@pytest.mark.parametrize(
    ("cuda", "mps", "kind"), [(True, True, "cuda"), (False, True, "mps"), (True, False, "cuda"), (False, False, "cpu")]
)
def test_training_and_testing_choose_the_same_device(monkeypatch, cuda, mps, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto").type == find_device_setup("auto").device == find_kind("auto") == kind


@pytest.mark.parametrize("wrong", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "auto:1", ":1", ""])
def test_unknown_training_devices_are_refused(wrong):
    with pytest.raises(SpatempoError, match=f"device '{wrong}' is not known; choose from auto, cpu, cuda, mps, cuda:0"):
        find_device_setup(wrong)


def test_the_module_does_not_import_torch():
    code = "import sys, spatempo.device; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
