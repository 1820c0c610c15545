"""OpenVINO folders in OpenVINO."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.runtime.engines.engine import Engine, Shape, foreign, missing
from spatempo.runtime.spec import FILE, INPUT, STEP_INPUT, ExportSpec

MODEL = "model.xml"
PRECISIONS = ("f32", "bf16")
KEPT_SHAPES = 4


class OpenVinoEngine(Engine):
    """A folder with ``model.xml``, ``model.bin`` and ``spatempo.json``, computed on the CPU.

    The network is compiled once per input shape, since one compiled for free shapes is 4 % slower. The
    :data:`KEPT_SHAPES` shapes used last stay compiled. Calls from several threads run one after the other, each on all
    cores.

    Args:
        path: the folder.
        threads: number of CPU threads; None: all cores.
        precision: of the computation, ``"f32"`` or ``"bf16"``.

    Raises:
        SpatempoError: OpenVINO is not installed, the folder cannot be used, or the precision is unknown.
    """

    def __init__(self, path: Path, threads: int | None = None, precision: str = "f32") -> None:
        try:
            import openvino
        except ImportError as error:
            raise missing("OpenVINO", "openvino", path, error) from error
        if precision not in PRECISIONS:
            raise SpatempoError(f"precision {precision!r} is not known; choose from {', '.join(PRECISIONS)}")
        if not (path / FILE).is_file():
            raise foreign(path)
        spec = ExportSpec.from_json((path / FILE).read_text("utf-8"), path)
        self._core = openvino.Core()
        try:
            self._model = self._core.read_model(path / MODEL)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise SpatempoError(f"{path}: OpenVINO cannot read {MODEL} ({reason}); export the model again") from error
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._requests: OrderedDict[tuple[tuple[int, ...], ...], Any] = OrderedDict()
        self._lock = threading.Lock()
        entry = self._model.input(INPUT if spec.kind == "clip" else STEP_INPUT)
        super().__init__(path, spec, _shape(entry.partial_shape))
        self.engine = f"openvino {openvino.__version__.split('-')[0]}"

    def _compute(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with self._lock:
            found = self._request(inputs).infer(dict(inputs))
            return [found[name].copy() for name in self.outputs]  # the next call overwrites the request's own arrays

    def _request(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """Returns the request compiled for these shapes."""
        key = tuple(value.shape for value in inputs.values())
        if key not in self._requests:
            while len(self._requests) >= KEPT_SHAPES:
                self._requests.popitem(last=False)  # before the next is compiled, so that memory is bounded
            model = self._model.clone()
            model.reshape({name: list(value.shape) for name, value in inputs.items()})
            self._requests[key] = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        self._requests.move_to_end(key)
        return self._requests[key]


def _shape(sides: Any) -> Shape:
    """Sizes of an input; None where any size is possible."""
    return tuple(None if side.is_dynamic else side.get_length() for side in sides)
