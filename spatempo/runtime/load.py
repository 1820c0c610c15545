"""Load a model from any path that the commands accept: a checkpoint, or an exported file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from spatempo.errors import SpatempoError
from spatempo.runtime.engines.engine import Engine
from spatempo.runtime.engines.load_engine import is_exported, load_engine

if TYPE_CHECKING:
    from spatempo.models.video_model import VideoModel


def load_classifier(path: str | os.PathLike[str], device: str = "auto") -> VideoModel | Engine:
    """Load a checkpoint with torch, or an exported file of clips without torch.

    Args:
        path: a checkpoint folder, an ``.onnx`` file, or an OpenVINO folder with ``model.xml``.
        device: device of a checkpoint (:func:`~spatempo.device.pick_device`). An exported file runs on the CPU.

    Raises:
        SpatempoError: the path is neither, the device is not available, or a device is given for an exported file.
    """
    if not is_exported(path):
        from spatempo.device import pick_device
        from spatempo.models.checkpoint import load

        return load(os.fspath(path), device=pick_device(device))
    if device not in ("auto", "cpu"):
        raise SpatempoError(
            f"{os.fspath(path)}: exported files run on the CPU, not on {device!r}; leave the device out, or give the "
            "checkpoint instead of its export"
        )
    engine = load_engine(path)
    if engine.spec.kind != "clip":
        raise SpatempoError(
            f"{os.fspath(path)}: was exported for streaming and takes single frames; export the model without "
            "streaming=True (--streaming)"
        )
    return engine


def classes_of(path: str | os.PathLike[str]) -> list[str] | None:
    """Class names of a checkpoint or an exported file, without loading the weights of a checkpoint."""
    if is_exported(path):
        return load_engine(path).spec.classes
    from spatempo.models.checkpoint import describe_checkpoint

    return describe_checkpoint(os.fspath(path)).classes
