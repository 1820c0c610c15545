"""spatempo: efficient video action recognition. Image networks that look along time.

Public names are loaded when first used (``__init__.pyi`` lists them), so ``import spatempo`` costs neither torch nor
timm nor Lightning::

    import spatempo

    spatempo.list_models("tsm_*")
    model = spatempo.create_model("tsm_resnet50", num_classes=174)
    logits = model(clip)                             # clip [B, 3, T, H, W] -> [B, K]

    model = spatempo.load("runs/demo/tsm/best")      # a checkpoint folder
    spatempo.predict(model, "clip.mp4", top=5)       # [{"label": ..., "score": ...}, ...]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
