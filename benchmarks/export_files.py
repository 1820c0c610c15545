"""The files that ``export.py`` measures: exported models, their weights, a clip, and the logits of the eager model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatempo import export
from spatempo.models.registry import create_model
from spatempo.runtime.forms import best_form

FORMS = ("whole", "concat", "sum")
FRAMES, CLASSES = 8, 174


def make_files(work: Path, network: str) -> dict[str, str]:
    """Writes the files of one network, its weights, a clip and the eager logits; returns the form that export uses.

    The form ``taps`` is an OpenVINO folder, the others are ONNX files, which both engines read.
    """
    folder = work / network
    folder.mkdir(parents=True, exist_ok=True)
    streaming = network == "step"
    size = 112 if network == "mobilenet_v2" else 224
    backbone = "mobilenet_v2" if streaming else network
    tsm = _model(f"tsm_{backbone}", size, causal=True) if streaming else _model(f"tsm_{backbone}", size)
    if not (folder / "clip.npy").exists():
        clip = torch.randn(1, 3, FRAMES, size, size, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            logits, backwards = tsm(clip), tsm(clip.flip(2))
        assert (backwards - logits).abs().max() > 1e-2 * logits.abs().max(), "the order of frames has no effect"
        torch.save({"backbone": tsm.backbone.state_dict(), "head": tsm.head.fc.state_dict()}, folder / "weights.pt")
        np.save(folder / "logits.npy", logits.numpy())
        np.save(folder / "clip.npy", clip.numpy())
    for form in FORMS:
        if not (file := folder / f"{form}.onnx").exists():
            export(tsm, file, form=form, streaming=streaming)
    if streaming:
        first = zip(tsm.state_names, tsm.init_state(1), strict=True)
        np.savez(folder / "state.npz", **{name: value.numpy() for name, value in first})  # pyright: ignore
        return {"openvino": "whole", "onnxruntime": "whole"}  # of narrow shifts; in steps nothing is moved along time
    if not (folder / "taps").exists():
        export(tsm, folder / "taps", form="taps")
    if not (file := folder / "plain.onnx").exists():
        plain = _model(f"tsn_{backbone}", size)
        plain.load_state_dict(tsm.state_dict())
        export(plain, file)
    if not (file := folder / "5d.onnx").exists():
        torch.onnx.export(
            tsm, (torch.zeros(2, 3, FRAMES, size, size),), file, dynamo=True, external_data=False, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},), input_names=["clip"], output_names=["logits"],
        )  # fmt: skip
    return {"openvino": best_form(tsm, "openvino"), "onnxruntime": best_form(tsm, "onnx")}


def _model(name: str, size: int, **options: Any) -> Any:
    """A model with random weights whose batch norms are calibrated, so that no layer's biases hide the signal."""
    torch.manual_seed(0)
    model = create_model(name, num_classes=CLASSES, dropout=0.0, size=size, frames=FRAMES, **options)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.2, 0.2)
            norm.momentum = 1.0
        model.head.fc.weight.normal_(0, 0.1)
        model.train()(torch.randn(2, 3, FRAMES, size, size))
    return model.eval()
