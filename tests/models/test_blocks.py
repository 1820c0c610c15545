"""The tables of block classes, which name classes of timm and torchvision without importing them."""

from __future__ import annotations

import importlib

import pytest
from torch import nn

from spatempo.models import blocks


@pytest.mark.parametrize("name", sorted({*blocks._KNOWN, *blocks._RESNET, *blocks._LAST_NORM}))
def test_every_name_is_a_class_that_the_libraries_have(name: str):
    module, _, kind = name.rpartition(".")
    found = getattr(importlib.import_module(module), kind)
    assert issubclass(found, nn.Module)
    assert blocks.full_name(found) == name
