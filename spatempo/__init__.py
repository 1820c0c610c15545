"""spatempo: efficient video action recognition. Image networks that look along time.

The public names below are loaded when first used, so ``import spatempo`` costs neither torch nor timm nor Lightning::

    import spatempo

    spatempo.list_models("tsm_*")
    model = spatempo.create_model("tsm_resnet50", num_classes=174)
    logits = model(clip)                             # clip [B, 3, T, H, W] -> [B, K]

    model = spatempo.load("runs/demo/tsm/best")      # a checkpoint folder
    spatempo.predict(model, "clip.mp4", top=5)       # [{"label": ..., "score": ...}, ...]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from spatempo.errors import SpatempoError, VideoError
from spatempo.version import __version__

if TYPE_CHECKING:
    from spatempo.data.generated.make import make as make_data
    from spatempo.data.manifest import load_manifest
    from spatempo.data.scan import scan
    from spatempo.evaluation.evaluate import evaluate
    from spatempo.evaluation.predict import predict
    from spatempo.learning.train import train
    from spatempo.models.checkpoint import load, save_checkpoint
    from spatempo.models.info import describe
    from spatempo.models.registry import create_model, list_models
    from spatempo.studies.compare import compare
    from spatempo.video.source import open_video


__all__ = [
    "SpatempoError",
    "VideoError",
    "__version__",
    "compare",
    "create_model",
    "describe",
    "evaluate",
    "list_models",
    "load",
    "load_manifest",
    "make_data",
    "open_video",
    "predict",
    "save_checkpoint",
    "scan",
    "train",
]

# public name -> (module, name in it)
_LAZY = {
    "compare": ("spatempo.studies.compare", "compare"),
    "create_model": ("spatempo.models.registry", "create_model"),
    "describe": ("spatempo.models.info", "describe"),
    "evaluate": ("spatempo.evaluation.evaluate", "evaluate"),
    "list_models": ("spatempo.models.registry", "list_models"),
    "load": ("spatempo.models.checkpoint", "load"),
    "load_manifest": ("spatempo.data.manifest", "load_manifest"),
    "make_data": ("spatempo.data.generated.make", "make"),
    "open_video": ("spatempo.video.source", "open_video"),
    "predict": ("spatempo.evaluation.predict", "predict"),
    "save_checkpoint": ("spatempo.models.checkpoint", "save_checkpoint"),
    "scan": ("spatempo.data.scan", "scan"),
    "train": ("spatempo.learning.train", "train"),
}


def __getattr__(name: str) -> object:
    """Loads a public name the first time it is asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'spatempo' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
