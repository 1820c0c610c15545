"""Non-local block, embedded Gaussian (Wang, Girshick, Gupta, He, "Non-local Neural Networks", CVPR 2018, eq. 1, 4, 6).

Every position of every frame receives a weighted mean over all positions of all frames. The weights measure the
similarity of two positions ::

    theta, phi, g = 1x1 convolutions to C/2 channels;  phi and g are max-pooled 2x2 in space
    y_i = sum_j softmax_j(theta_i . phi_j) g_j,   j over T x H/2 x W/2
    z   = x + BN(1x1 convolution of y back to C)

The scale of the batch norm starts at zero, so at first z = x. As in the code released with TSM, the pooling comes after
the convolutions and the products are not scaled. The code of the paper's authors differs in both points.

Shapes: clips ``[B, T, C, H, W]`` in and out. Temporal reach: the whole clip, so there is no causal form. Cost: four 1x1
convolutions, and 2 x (T H W)(T H W / 4)(C/2) multiply-accumulates for the two products with the affinity matrix.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.context import ForwardContext


def non_local_mean(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """Weighted mean over all positions: eq. 1 with the embedded Gaussian of eq. 4.

    Args:
        theta: queries, ``[B, N, c]``.
        phi: keys, ``[B, M, c]``.
        g: values, ``[B, M, c]``.

    Returns:
        ``[B, N, c]``.
    """
    return (theta @ phi.transpose(1, 2)).softmax(-1) @ g


class NonLocal(TemporalOperator):
    """Non-local block as a module on folded frames.

    Args:
        context: the video model's forward context.
        channels: C, even.
    """

    def __init__(self, context: ForwardContext, channels: int) -> None:
        super().__init__(context)
        inner = channels // 2
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.g = nn.Conv2d(channels, inner, 1)
        self.out = nn.Conv2d(inner, channels, 1)
        self.bn = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn.weight)

    @property
    def reach(self) -> Reach | None:
        return None

    def mix(self, clip: Tensor) -> Tensor:
        frames = clip.flatten(0, 1)
        theta = self._positions(self.theta(frames), clip.shape[1])
        phi = self._positions(F.max_pool2d(self.phi(frames), 2), clip.shape[1])
        g = self._positions(F.max_pool2d(self.g(frames), 2), clip.shape[1])
        y = non_local_mean(theta, phi, g)  # [B, T*H*W, C/2]
        height, width = clip.shape[-2:]
        y = y.reshape(frames.shape[0], height, width, -1).permute(0, 3, 1, 2)
        return (frames + self.bn(self.out(y))).unflatten(0, (-1, clip.shape[1]))

    @staticmethod
    def _positions(maps: Tensor, frames: int) -> Tensor:
        """``[B*T, c, h, w] -> [B, T*h*w, c]``."""
        return maps.flatten(2).transpose(1, 2).unflatten(0, (-1, frames)).flatten(1, 2)
