"""Networks and clips for tests, and comparisons with tolerances."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from spatempo.inputs.spec import Preprocess
from spatempo.models.build import Build
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel
from spatempo.operators.context import ForwardContext

Net = TypeVar("Net", bound=nn.Module)


def small(name: str, *, size: int = 32, frames: int = 4, **options: object) -> VideoModel:
    """A network with three classes, without dropout, for clips of this size; weights from :func:`randomise`."""
    model = create_model(name, num_classes=3, dropout=0.0, size=size, frames=frames, **options)  # pyright: ignore
    return randomise(model, size=size, frames=frames)


def clips(frames: int = 4, batch: int = 2, size: int = 32) -> Tensor:
    """Random clips ``[B, 3, T, H, W]``, the same for every call."""
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(frames))


def assert_close(a: Tensor, b: Tensor) -> None:
    """Asserts that both are equal up to 1e-4 of the largest value of ``b``."""
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.detach().abs().max()))


def assert_same_scores(ours: nn.Module, theirs: nn.Module, clip: Tensor) -> None:
    """Asserts that two networks give the same scores, and that these depend on the order of frames."""
    with torch.no_grad():
        want, got, backwards = theirs(clip), ours.eval()(clip), theirs(clip.flip(2))
    assert (backwards - want).abs().max() > 1e-2 * want.abs().max(), (
        "frame order has no effect: the test proves nothing"
    )
    assert (got - want).abs().max() < 1e-5 * max(1.0, float(want.abs().max()))


def gradients(model: nn.Module, clip: Tensor) -> list[Tensor]:
    """Gradients of the sum of squares of a model's outputs, one per parameter."""
    model.zero_grad()
    model(clip).square().sum().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def frames_seen(model: VideoModel, frames: int, at: int, *, size: int = 32) -> list[int]:
    """Frames of a clip on which the score at position ``at`` depends, determined by gradients."""
    clip = clips(frames, 1, size).to(next(model.parameters()).dtype).requires_grad_()
    model.forward_frames(clip)[0, at].square().sum().backward()
    assert clip.grad is not None
    return [t for t in range(frames) if clip.grad[0, :, t].any()]


def randomise(model: Net, seed: int = 0, *, size: int = 64, frames: int = 4) -> Net:
    """Gives a video network weights for which the scores depend on the order of frames; sets eval mode.

    Libraries initialise the last batch norm of a residual branch with zero, so at first the branch and its operators
    have no effect and every parity test would pass. Random batch norms are not enough: in a deep network their biases
    would dominate the signal, so their statistics are computed from random clips.
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
            for gain in ("gamma", "layer_scale", "skipinit_gain"):  # also start at zero (ConvNeXt, NFNet)
                if isinstance(getattr(module, gain, None), nn.Parameter):
                    getattr(module, gain).uniform_(0.5, 1.0, generator=draw)
        for norm in norms:
            norm.momentum = 1.0
        model.train()
        channels = model.preprocess.channels if isinstance(model, VideoModel) else 3
        model(torch.randn(2, channels, frames, size, size, generator=draw))
        for norm in norms:
            norm.momentum = 0.1
    return model.eval()


def _starts_closed(module: nn.Module) -> bool:
    """Whether it is the convolution of a gate, which is initialised with zeros."""
    return isinstance(module, nn.modules.conv._ConvNd) and not module.weight.any()


def build_on(net: nn.Module) -> Build:
    """A `Build` on a network of the test, for operators and seam functions."""
    return Build(net, "a network of the test", ForwardContext(), 3, 8, 0.0, Preprocess(frames=4, size=32))
