"""``spatempo export CHECKPOINT OUT``: a trained model as a file for ONNX Runtime, OpenVINO or other programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from spatempo.cli.flags import Checkpoint
from spatempo.cli.output import print_table
from spatempo.terminal import say

Format = Literal["auto", "onnx", "openvino", "pt2"]
Videos = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="VIDEO", help_behavior_hint="(repeatable)")]


@dataclass
class Options:
    """Write a trained model as an ONNX or OpenVINO file, and compare it with the model.

    The file contains the input specification, the classes and the design. `predict`, `test` and `diagnose` take it in
    place of a checkpoint. If its logits differ by more than 1e-4 of the largest one, no file is written.
    """

    checkpoint: Checkpoint
    """a checkpoint folder, such as runs/demo/tsm/best."""
    out: Annotated[Positional[str], arg(metavar="OUT")]
    """file to write, such as model.onnx; a folder for OpenVINO."""
    format: Format = "auto"
    """onnx, openvino, pt2 (for torch.export.load); auto: by the suffix .onnx or .pt2, otherwise openvino."""
    streaming: bool = False
    """export the step for the next frame of a live stream, with the state as inputs and outputs (causal models)."""
    video: Videos = ()
    """a video to compare on, besides random clips."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Exports; returns what :class:`~spatempo.runtime.export.Exported` contains.

    Raises:
        SpatempoError: no checkpoint, a model that cannot be exported, a missing package, too large a difference.
    """
    from spatempo.models.checkpoint import load
    from spatempo.runtime.export import export

    chosen = None if options.format == "auto" else options.format
    model = load(options.checkpoint)
    return export(model, options.out, format=chosen, streaming=options.streaming, videos=options.video).to_json()


def show(document: dict[str, Any]) -> None:
    """Prints inputs, outputs and the difference to the model."""
    say(f"{document['path']}: {document['format']}, {document['bytes'] / 2**20:.1f} MiB")
    say()
    rows = [("input", name, _shape(shape)) for name, shape in document["inputs"].items()]
    rows += [("output", name, _shape(shape)) for name, shape in document["outputs"].items()]
    print_table(["", "name", "shape"], rows)
    least, most = document["frames"]
    if most is None:
        say(f"T is free from {least}, B from 1.")
    elif "T" in str(document["inputs"]):
        say(f"T is free from {least} to {most}, B from 1.")
    say()
    compared = f"{document['random_clips']} random clips"
    if document["real_clips"]:
        compared += f" and {document['real_clips']} from videos"
    say(
        f"Largest difference to the model on {compared}: {document['max_abs_diff']:.2g}, "
        f"{document['max_rel_diff']:.2g} of the largest logit."
    )
    if document["own_mix"]:
        named = ", ".join(f"{count} {name}" for name, count in document["own_mix"].items())
        say(f"Operators exported as they are, without a faster form: {named}.")


def _shape(shape: list[int | str]) -> str:
    return " x ".join(map(str, shape)) or "scalar"
