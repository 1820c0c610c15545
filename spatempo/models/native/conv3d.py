"""torch's 3D convolution, less one wrong gradient.

On CPUs, in bfloat16, torch 2.15's oneDNN leaves part of the weight gradient unwritten where the kernel is longer than
the clip, 1 < T < k: the values are whatever was in memory, NaN or 1e36. Training would end there without a word, and
the temporal strides of a video network bring T down to 2 at nearly any clip length. T = 1, other precisions and other
devices are right.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv3d(nn.Conv3d):
    """``nn.Conv3d`` that, in the case above, appends zero frames up to the kernel's length and cuts their outputs off.

    Those frames are what the padding would have stood for, so the result is the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        frames, length = x.shape[2], self.kernel_size[0]
        # in this order: an exported network may have any T, and nothing about it is asked where nothing goes wrong
        if not (self._would_go_wrong(x) and 1 < frames < length):
            return super().forward(x)
        outputs = (frames + 2 * int(self.padding[0]) - length) // self.stride[0] + 1
        return super().forward(F.pad(x, (0, 0, 0, 0, 0, length - frames)))[:, :, :outputs]

    def _would_go_wrong(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or not (torch.is_grad_enabled() and self.weight.requires_grad):
            return False
        cast = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        return cast == torch.bfloat16
