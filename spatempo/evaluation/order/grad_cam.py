"""Where and when a model looked: Grad-CAM over space and time (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spatempo.evaluation.running import eval_mode
from spatempo.models.video_model import VideoModel


def grad_cam(model: VideoModel, clip: Tensor, label: int) -> Tensor:
    """What in a clip speaks for a class.

    With A the backbone's last maps ``[C', T', H', W']`` and y the class's logit, the weight of a channel is its mean
    gradient, ``w_c = mean over t, i, j of dy / dA[c, t, i, j]``, and the map is ``relu(sum over c of w_c A_c)``: the
    paper's formula with time as a third axis of the mean.

    Args:
        clip: ``[1, 3, T, H, W]``.
        label: the class.

    Returns:
        ``[T, H, W]``, 0 to 1 (the largest of the clip), scaled up trilinearly; all 0 where nothing speaks for it.
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
