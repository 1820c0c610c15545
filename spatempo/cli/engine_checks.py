"""The check of ``spatempo doctor`` for the inference engines of exported models."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

# exceptions raised when importing or running native code that does not fit the machine
BROKEN = (ImportError, OSError, RuntimeError, AttributeError)

_IN, _OUT = np.array([[-1.0, 2.0]], np.float32), np.array([[0.0, 3.0]], np.float32)  # of the test model


def engines(problems: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Checks each engine with a model of two nodes, relu(x + 1). An engine that is not installed is no problem.

    Without the package onnx, which builds the model, an engine is only imported.

    Args:
        problems: gets one entry per engine that is installed and fails.

    Returns:
        ``{"works", "detail"}`` of ``onnxruntime`` and ``openvino``.
    """
    return {name: _engine(name, compute, problems) for name, compute in _ENGINES.items()}


def first_line(error: BaseException) -> str:
    """First line of the message of an error, or its type if there is none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _engine(name: str, compute: Callable[[bytes], np.ndarray], problems: list[dict[str, str]]) -> dict[str, Any]:
    if importlib.util.find_spec(name) is None:
        return {"works": False, "detail": "not installed"}
    try:
        version = str(importlib.import_module(name).__version__).split("-")[0]
        model = _two_nodes()
        if model is None:
            return {"works": True, "detail": f"{version}, only imported: onnx is not installed"}
        reason = None if np.allclose(compute(model), _OUT) else "computes wrong results"
    except BROKEN as error:
        version, reason = "", first_line(error)
    if reason is None:
        return {"works": True, "detail": f"{version}, runs a small model"}
    fix = f"pip install --force-reinstall {name}"
    problems.append({"component": f"engine {name}", "reason": reason, "fix": fix})
    return {"works": False, "detail": f"{version}: {reason}" if version else reason}


def _two_nodes() -> bytes | None:
    """The test model as an ONNX file; None without the package onnx."""
    if importlib.util.find_spec("onnx") is None:
        return None
    from onnx import TensorProto, helper

    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["sum"]), helper.make_node("Relu", ["sum"], ["y"])],
        "probe",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [one],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def _onnxruntime(model: bytes) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": _IN})[0])


def _openvino(model: bytes) -> np.ndarray:
    import openvino

    core = openvino.Core()
    return core.compile_model(core.read_model(model), "CPU")({"x": _IN})[0]


_ENGINES = {"onnxruntime": _onnxruntime, "openvino": _openvino}
