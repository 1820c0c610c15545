"""Which form of the residual stream is fastest in which format."""

from __future__ import annotations

from spatempo.runtime.rules import Form


def best_form(format: str) -> Form:  # noqa: A002
    """The form with the lowest measured latency for ``onnx``, ``openvino`` or ``pt2``."""
    return "sum"
