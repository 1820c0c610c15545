"""ONNX files in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.runtime.engines.engine import Engine, Shape, foreign, missing
from spatempo.runtime.spec import INPUT, KEY, STEP_INPUT, ExportSpec

_ERRORS_ONLY = 3


class OnnxRuntimeEngine(Engine):
    """An ``.onnx`` file. Its sessions can be shared by threads.

    Args:
        path: the file.
        threads: number of CPU threads; None: all cores.
        precision: ``"f32"``, the only one.

    Raises:
        SpatempoError: ONNX Runtime is not installed, or the file cannot be used.
    """

    def __init__(self, path: Path, threads: int | None = None, precision: str = "f32") -> None:
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as errors  # pyright: ignore[reportAttributeAccessIssue]
        except ImportError as error:
            raise missing("ONNX Runtime", "onnx", path, error) from error
        if precision != "f32":
            raise SpatempoError(
                f"{path}: ONNX Runtime computes an .onnx file as it was written, in f32; for precision={precision!r} "
                "export the model as an OpenVINO folder"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = _ERRORS_ONLY
        try:
            # from bytes: an ONNX file with its weights in other files is refused, and a path may have any characters
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except (errors.InvalidProtobuf, errors.InvalidGraph, errors.Fail, errors.NotImplemented) as error:
            reason = str(error).splitlines()[0]
            raise SpatempoError(
                f"{path}: not an ONNX file that ONNX Runtime can load ({reason}); export the model again"
            ) from error
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        if text is None:
            raise foreign(path)
        spec = ExportSpec.from_json(text, path)
        shapes = {tensor.name: tensor.shape for tensor in self._session.get_inputs()}
        super().__init__(path, spec, _shape(shapes[INPUT if spec.kind == "clip" else STEP_INPUT]))
        self.engine = f"onnxruntime {onnxruntime.__version__}"

    def _compute(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(value) for value in self._session.run(list(self.outputs), dict(inputs))]


def _shape(sides: list[int | str | None]) -> Shape:
    """Shape of an input; a side that is free has a name instead of a number."""
    return tuple(side if isinstance(side, int) else None for side in sides)
