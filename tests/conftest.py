"""Fixtures for the tests of several packages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

# Tests must not fail because the machine is busy.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data and weights next to the checkout; tests that need it are skipped if it is missing."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared, which does not exist")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    torch.set_num_threads(1)  # the networks of the tests are too small for several threads


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)  # random weights do not depend on the tests that ran before
