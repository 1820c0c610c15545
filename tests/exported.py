"""A small exported model made by hand, without torch: a weighted mean of the frames and a linear layer.

The weights of the frames are 1, 2, 3, ... (a cumulative sum), so the order of the frames matters and T is free.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spatempo.inputs.spec import Preprocess
from spatempo.runtime.spec import FILE, KEY, ExportSpec, StateTensor

SIZE, CLASSES = 32, ["left", "right", "still"]
WEIGHT = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)  # [C, K]


def spec_of(kind: str = "clip", frames: tuple[int, int | None] = (1, None), **changes: object) -> ExportSpec:
    state = (StateTensor("head.sum", (None, 3), 0.0), StateTensor("head.best", (None, 3), float("-inf")))
    facts: dict = {
        "kind": kind,
        "name": "tsm_tiny",
        "design": "tsm",
        "backbone": "tiny",
        "options": {},
        "num_classes": 3,
        "classes": CLASSES,
        "preprocess": Preprocess(frames=4, size=SIZE).to_dict(),
        "frames": frames if kind == "clip" else (1, 1),
        "state": state if kind == "step" else (),
        "clip_seconds": 2.0,
    }
    return ExportSpec(**{**facts, **changes})


def clip_logits(clip: np.ndarray) -> np.ndarray:
    """The clip model in numpy."""
    frames = clip.mean((3, 4))  # [B, C, T]
    weights = np.arange(1, frames.shape[2] + 1, dtype=np.float32)
    return (frames * weights).mean(2) @ WEIGHT


def write_clip_onnx(path: Path, spec: ExportSpec | None = None, frames: int | None = None) -> Path:
    """Writes the clip model; T is free unless `frames` is given."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["clip", "hw"], ["means"], keepdims=0),  # [B, C, T]
        helper.make_node("Mul", ["means", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "one"], ["ones"]),
        helper.make_node("CumSum", ["ones", "two"], ["weights"]),  # 1, 2, 3, ...
        helper.make_node("Mul", ["means", "weights"], ["weighted"]),
        helper.make_node("ReduceMean", ["weighted", "t"], ["mean"], keepdims=0),  # [B, C]
        helper.make_node("MatMul", ["mean", "weight"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("hw", TensorProto.INT64, [2], [3, 4]),
        helper.make_tensor("t", TensorProto.INT64, [1], [2]),
        helper.make_tensor("two", TensorProto.INT64, [], [2]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("weight", TensorProto.FLOAT, [3, 3], WEIGHT.ravel().tolist()),
    ]
    entry = helper.make_tensor_value_info("clip", TensorProto.FLOAT, ["B", 3, frames or "T", SIZE, SIZE])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 3])
    return _save(path, helper.make_graph(nodes, "clip", [entry], [out], constants), spec or spec_of())


def write_step_onnx(path: Path, spec: ExportSpec | None = None) -> Path:
    """Writes a step: the state is the sum and the maximum of the frames' class scores; logits = sum + best."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["frames", "thw"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["score"]),
        helper.make_node("Add", ["score", "head.sum"], ["next_head.sum"]),
        helper.make_node("Max", ["score", "head.best"], ["next_head.best"]),
        helper.make_node("Add", ["next_head.sum", "next_head.best"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("thw", TensorProto.INT64, [3], [2, 3, 4]),
        helper.make_tensor("weight", TensorProto.FLOAT, [3, 3], WEIGHT.ravel().tolist()),
    ]
    frames = helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["B", 3, 1, SIZE, SIZE])
    rows = ("head.sum", "head.best", "logits", "next_head.sum", "next_head.best")
    states = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3]) for name in rows}
    graph = helper.make_graph(
        nodes,
        "step",
        [frames, states["head.sum"], states["head.best"]],
        [states["logits"], states["next_head.sum"], states["next_head.best"]],
        constants,
    )
    return _save(path, graph, spec or spec_of("step"))


def as_openvino(onnx_file: Path, folder: Path, spec: ExportSpec | None = None) -> Path:
    """Converts an ONNX file to an OpenVINO folder with a description."""
    import openvino

    folder.mkdir()
    openvino.save_model(openvino.convert_model(onnx_file), folder / "model.xml", compress_to_fp16=False)
    (folder / FILE).write_text((spec or spec_of()).to_json())
    return folder


def _save(path: Path, graph: object, spec: ExportSpec) -> Path:
    import onnx
    from onnx import helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {KEY: spec.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
