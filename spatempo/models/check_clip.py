"""Validates clips before a forward pass, so that errors are clearer than those of the layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess

_MAKE_CLIP = "convert uint8 frames [T, H, W, 3] with model.preprocess(frames)[None], or use spatempo.predict"


def check_clip(clip: Tensor, spec: Preprocess, backbone: nn.Module, what: str, frames: str) -> None:
    """Checks type, shape and dtype of a clip.

    Args:
        clip: the clip.
        spec: the model's input specification.
        backbone: the model's network. Outside autocast a clip must have the dtype of its parameters.
        what, frames: names of the clip and of its third axis in error messages.

    Raises:
        SpatempoError: the clip is invalid; the message says how to convert it.
    """
    if not isinstance(clip, Tensor):
        raise SpatempoError(f"{what} must be a float tensor, got {type(clip).__name__}; {_MAKE_CLIP}")
    if clip.ndim != 5 or clip.shape[1] != spec.channels:
        parts = "" if spec.is_image else f" ({spec.stack} x {spec.kind.channel_names})"
        expected = f"[B, {spec.channels}, {frames}, H, W]{parts}"
        raise SpatempoError(f"{what} must be {expected}, got shape {tuple(clip.shape)}")
    if not clip.is_floating_point():
        kind = str(clip.dtype).removeprefix("torch.")
        raise SpatempoError(f"{what} must be float, normalised by model.preprocess, got {kind}; {_MAKE_CLIP}")
    # Only in eager mode: a traced program checks dtypes itself, and its shapes may be symbolic.
    if torch.compiler.is_compiling():
        return
    if 0 in clip.shape:
        axis = "BCTHW"[tuple(clip.shape).index(0)]
        raise SpatempoError(f"{what} is empty, [B, C, T, H, W] is {list(clip.shape)}: {axis} must be at least 1")
    own = next((p.dtype for p in backbone.parameters() if p.is_floating_point()), clip.dtype)
    if clip.dtype != own and not torch.is_autocast_enabled(clip.device.type):
        got, wanted = (str(dtype).removeprefix("torch.") for dtype in (clip.dtype, own))
        raise SpatempoError(f"{what} is {got} and the model is {wanted}: convert one of them, e.g. clip.to({own})")
