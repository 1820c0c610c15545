"""Efficient video action recognition: video networks made of 2D image networks and temporal operators.

Public names are loaded on first use (``__init__.pyi`` lists them), so ``import spatempo`` does not import torch, timm
or Lightning::

    import spatempo

    spatempo.list_models("tsm_*")
    model = spatempo.create_model("tsm_resnet50", num_classes=174)
    logits = model(clip)                             # clip [B, 3, T, H, W] -> [B, K]

    model = spatempo.load("runs/demo/tsm/best")      # checkpoint folder
    spatempo.predict(model, "clip.mp4", top=5)       # [{"label": ..., "score": ...}, ...]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
