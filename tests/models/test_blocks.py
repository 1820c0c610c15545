"""Tables of block classes, which refer to classes of timm and torchvision by name, without importing them."""

from __future__ import annotations

import importlib

import pytest
from torch import nn

from spatempo.models import blocks


@pytest.mark.parametrize("name", sorted({*blocks._KNOWN, *blocks._RESNET, *blocks._LAST_NORM}))
def test_every_class_in_the_tables_exists(name: str):
    module, _, kind = name.rpartition(".")
    found = getattr(importlib.import_module(module), kind)
    assert issubclass(found, nn.Module)
    assert blocks.full_name(found) == name
