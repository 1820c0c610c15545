"""What a model says of a clip that it cannot take, before its layers say it in words of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess

_MAKE_CLIP = "make one of uint8 frames [T, H, W, 3] by model.preprocess(frames)[None], or use spatempo.predict"


def check_clip(clip: Tensor, spec: Preprocess, backbone: nn.Module, what: str, frames: str) -> None:
    """Checks kind, axes and dtype.

    Args:
        clip: what a caller gave.
        spec: the model's input specification.
        backbone: its network, whose parameters have the dtype that a clip must have outside autocast.
        what, frames: how the message calls the clip, and its third axis.

    Raises:
        SpatempoError: names what is wrong and how to convert.
    """
    if not isinstance(clip, Tensor):
        raise SpatempoError(f"{what} is a float tensor, got {type(clip).__name__}; {_MAKE_CLIP}")
    if clip.ndim != 5 or clip.shape[1] != spec.channels:
        parts = "" if spec.is_picture else f" ({spec.stack} x {spec.kind.channel_names})"
        raise SpatempoError(f"{what} is [B, {spec.channels}, {frames}, H, W]{parts}, got shape {tuple(clip.shape)}")
    if not clip.is_floating_point():
        kind = str(clip.dtype).removeprefix("torch.")
        raise SpatempoError(f"{what} is float, normalised by model.preprocess, got {kind}; {_MAKE_CLIP}")
    # Only in plain calls: a traced program has an own check of its dtype, and shapes that may be symbols.
    if torch.compiler.is_compiling():
        return
    if 0 in clip.shape:
        axis = "BCTHW"[tuple(clip.shape).index(0)]
        raise SpatempoError(f"{what} is empty, [B, C, T, H, W] is {list(clip.shape)}: give {axis} of at least 1")
    own = next((p.dtype for p in backbone.parameters() if p.is_floating_point()), clip.dtype)
    if clip.dtype != own and not torch.is_autocast_enabled(clip.device.type):
        got, wanted = (str(dtype).removeprefix("torch.") for dtype in (clip.dtype, own))
        raise SpatempoError(f"{what} is {got} and the model is {wanted}: convert one of them, as in clip.to({own})")
