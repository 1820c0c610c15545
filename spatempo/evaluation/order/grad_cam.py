"""Grad-CAM over space and time (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spatempo.evaluation.running import eval_mode
from spatempo.models.video_model import VideoModel


def grad_cam(model: VideoModel, clip: Tensor, label: int) -> Tensor:
    """Compute the regions of a clip that support a class.

    Let A be the last feature maps of the backbone, ``[C', T', H', W']``, and y the logit of the class. The weight of a
    channel is its mean gradient, ``w_c = mean over t, i, j of dy / dA[c, t, i, j]``. The map is
    ``relu(sum over c of w_c A_c)``. This is the formula of the paper, with time as a third axis of the mean.

    Args:
        clip: ``[1, 3, T, H, W]``.
        label: index of the class.

    Returns:
        ``[T, H, W]``, 0 to 1 (1 is the maximum of the clip), upsampled trilinearly. All zeros if nothing in the clip
        supports the class.
    """
    with eval_mode(model):
        with torch.no_grad():
            maps = model.forward_features(clip)
        maps = maps.detach().clone().requires_grad_()
        with torch.enable_grad():
            logit = model.forward_head(maps)[0, label]
        (gradient,) = torch.autograd.grad(logit, maps)
    weights = gradient.mean((2, 3, 4), keepdim=True)
    heat = (weights * maps.detach()).sum(1, keepdim=True).relu().float()  # [1, 1, T', H', W']
    heat = F.interpolate(heat, size=tuple(clip.shape[2:]), mode="trilinear", align_corners=False)[0, 0]
    return (heat / heat.max().clamp_min(1e-30)).cpu()
