"""torch's 3D convolution, with a workaround for a wrong gradient.

On CPUs in bfloat16, oneDNN in torch 2.15 does not write all of the weight gradient if the kernel is longer than the
clip, 1 < T < k. The missing values are arbitrary (NaN, 1e36) and would silently ruin training. Temporal strides reduce
T to 2 at almost any clip length. T = 1, other precisions and other devices are correct.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv3d(nn.Conv3d):
    """``nn.Conv3d`` that, in the case above, pads the clip with zero frames to the kernel's length.

    Outputs for these frames are removed. Convolution pads with zeros too, so the result is the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        frames, length = x.shape[2], self.kernel_size[0]
        # in this order: T may be symbolic during export, and must not be compared there
        if not (self._is_affected(x) and 1 < frames < length):
            return super().forward(x)
        outputs = (frames + 2 * int(self.padding[0]) - length) // self.stride[0] + 1
        return super().forward(F.pad(x, (0, 0, 0, 0, 0, length - frames)))[:, :, :outputs]

    def _is_affected(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or not (torch.is_grad_enabled() and self.weight.requires_grad):
            return False
        cast = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        return cast == torch.bfloat16
