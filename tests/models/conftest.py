"""Fixtures for the tests of models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spatempo.models.backbones.bninception import BNInception
from spatempo.models.backbones.caffe_layers import CaffeNet
from spatempo.models.backbones.inception_v3 import InceptionV3


@pytest.fixture(scope="session")
def inceptions() -> dict[str, CaffeNet]:
    """Both Inceptions of Caffe's layout, with random batch norms."""
    nets = {"bninception": BNInception(), "inception_v3": InceptionV3()}
    generator = torch.Generator().manual_seed(0)
    for net in nets.values():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.data.uniform_(0.8, 1.2, generator=generator)
                module.bias.data.uniform_(0, 0.5, generator=generator)
                module.running_mean.uniform_(-0.2, 0.2, generator=generator)
            elif isinstance(module, nn.Conv2d):
                assert module.bias is not None
                module.bias.data.uniform_(-0.2, 0.2, generator=generator)
        net.eval()
    return nets
