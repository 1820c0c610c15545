"""Networks for tests."""

from __future__ import annotations

import torch
from torch import nn


def randomise(model: nn.Module, seed: int = 0, *, size: int = 64) -> nn.Module:
    """Gives a video network weights with which the order of frames shows, and puts it in eval mode.

    Libraries start the last batch norm of a residual branch at zero, so that at first a branch, and any operator in
    it, has no effect at all and every parity test would pass. Random batch norms alone are not enough: in a deep
    network the signal would fade against their biases, so their statistics are taken from random clips.
    """
    draw = torch.Generator().manual_seed(seed)
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for module in model.modules():
            if module in norms:
                module.weight.uniform_(0.5, 1.5, generator=draw)
                module.bias.uniform_(-0.2, 0.2, generator=draw)
            elif isinstance(module, nn.Linear) or _starts_closed(module):
                module.weight.normal_(0, 0.1, generator=draw)
            for gain in ("gamma", "layer_scale", "skipinit_gain"):  # ConvNeXt's and NFNet's own ways to start at zero
                if isinstance(getattr(module, gain, None), nn.Parameter):
                    getattr(module, gain).uniform_(0.5, 1.0, generator=draw)
        for norm in norms:
            norm.momentum = 1.0
        model.train()
        model(torch.randn(2, 3, 4, size, size, generator=draw))
        for norm in norms:
            norm.momentum = 0.1
    return model.eval()


def _starts_closed(module: nn.Module) -> bool:
    """Whether it is a gate's convolution, whose weights start at zero."""
    return isinstance(module, nn.modules.conv._ConvNd) and not module.weight.any()
