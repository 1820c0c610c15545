"""``export``: a trained model as a file for ONNX Runtime, OpenVINO or other programs, checked against the model."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch.export import ExportedProgram

from spatempo.errors import SpatempoError
from spatempo.files import check_folder
from spatempo.models.video_model import VideoModel
from spatempo.runtime.agreement import compare_clips, compare_steps, real_clips
from spatempo.runtime.forms import best_form, best_layout
from spatempo.runtime.rewrite import Rewritten, rewrite
from spatempo.runtime.rules import Form
from spatempo.runtime.spec import INPUT, OUTPUT, STEP_INPUT, ExportSpec, StateTensor
from spatempo.runtime.write import write_onnx, write_openvino, write_pt2

Format = Literal["onnx", "openvino", "pt2"]
FORMATS: tuple[str, ...] = get_args(Format)
TOLERANCE = 1e-4  # largest difference to the model, as a fraction of the largest logit, in float32


@dataclass(frozen=True)
class Exported:
    """An exported file and how well it agrees with its model.

    Attributes:
        path, format: what was written.
        max_abs_diff: largest difference of a logit to that of the model.
        max_rel_diff: the same as a fraction of the largest logit.
        random_clips, real_clips: how many were compared.
        inputs, outputs: names and shapes; text stands for a free size.
        frames: smallest and largest T; ``None``: no limit.
        form: how the residual stream is carried, see :data:`~spatempo.runtime.rules.rule.Form`.
        own_mix: operators without a rule for fast inference, ``class: count``; they work, but are not sped up.
        bytes: size of all files.
    """

    path: str
    format: str
    max_abs_diff: float
    max_rel_diff: float
    random_clips: int
    real_clips: int
    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]
    frames: tuple[int, int | None]
    form: str
    own_mix: dict[str, int]
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "frames": list(self.frames)}


def export(
    model: VideoModel,
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,  # noqa: A002  (the promised name)
    streaming: bool = False,
    form: Form | None = None,
    videos: Sequence[str | os.PathLike[str]] = (),
) -> Exported:
    """Writes a model as a file that computes the same logits without spatempo and torch.

    The file contains its input specification, classes and design. B, the number of clips, is free; T is free where the
    design allows it; the size in pixels is that of the model's input specification. Before the file gets its name it is
    run by its engine, on random clips and on `videos`, and compared with the model.

    Args:
        model: any video model; its device, dtype and mode do not change. The file computes in float32.
        path: of the file, or of the folder for OpenVINO. A previous export there is replaced.
        format: ``"onnx"`` (one file), ``"openvino"`` (a folder), ``"pt2"`` (for :func:`torch.export.load`; spatempo
            does not load it, because loading can execute code). Default: by suffix, ``.onnx`` or ``.pt2``, otherwise
            a folder.
        streaming: the next frames of streams instead of clips, with the state as named inputs and outputs; of a causal
            model.
        form: how the residual stream is carried; the default is the fastest measured for the format.
        videos: files to compare on, besides random clips.

    Raises:
        SpatempoError: a model that cannot be exported, or a difference of more than 1e-4 of the largest logit; no file
            is left. A missing package.
        WriteError: the file cannot be written; no file is left, and a previous one is unchanged.
    """
    path = Path(path)
    kind = _format(path, format)
    if streaming and not model.causal:
        how = "train it with `causal=True`" if "causal" in model.options else f"{model.design} has no causal form"
        raise SpatempoError(f"{model.name} needs future frames, so it has no streaming form: {how}")
    if kind != "pt2":
        _require(kind)
    check_folder(path.parent)
    clips = real_clips(model, videos)
    plain = copy.deepcopy(model).float().cpu().eval()
    form = form or best_form(plain, kind)
    rewritten = rewrite(plain, form, layout=best_layout(plain, kind, form), streaming=streaming)
    with torch.no_grad():
        program = torch.export.export(
            rewritten.module, rewritten.example, dynamic_shapes=rewritten.dynamic_shapes, strict=False
        )
    spec = _spec(model, program, streaming)
    compare = compare_steps if streaming else compare_clips
    writers = {"onnx": write_onnx, "openvino": write_openvino, "pt2": write_pt2}
    with tempfile.TemporaryDirectory(prefix=".export-", dir=_existing(path.parent)) as work:
        finished = writers[kind](program, spec, Path(work), path)
        found = compare(finished.run(), plain, spec, clips)
        if not found.relative <= TOLERANCE:
            raise SpatempoError(
                f"{path}: not written, because {kind} differs from the model by {found.relative:.2g} of the largest "
                f"logit (limit {TOLERANCE:g}); try another format, or report this with the model's name, {model.name}"
            )
        size = finished.publish()
    return _result(path, kind, spec, rewritten, found.absolute, found.relative, found.random, len(clips), size)


def _format(path: Path, given: str | None) -> str:
    if given is None:
        return {".onnx": "onnx", ".pt2": "pt2"}.get(path.suffix.lower(), "openvino")
    if given not in FORMATS:
        raise SpatempoError(f"format {given!r} is not known; choose from {', '.join(FORMATS)}")
    suffix = {"onnx": ".onnx", "pt2": ".pt2"}.get(given)
    if suffix is not None and path.suffix.lower() != suffix:
        raise SpatempoError(f"{path}: a file of format {given} needs a name that ends in {suffix}")
    return given


def _require(kind: str) -> None:
    """Refuses a format whose packages are missing, before anything is computed."""
    from importlib.util import find_spec

    wanted = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}[kind]
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise SpatempoError(f"format {kind} needs {', '.join(missing)}: pip install 'spatempo[{kind}]'")


def _existing(folder: Path) -> Path:
    """A folder, created if missing, on the file system of the result: only there a rename is atomic."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _spec(model: VideoModel, program: ExportedProgram, streaming: bool) -> ExportSpec:
    return ExportSpec(
        kind="step" if streaming else "clip",
        name=model.name,
        design=model.design,
        backbone=model.backbone_source,
        options=model.options,
        num_classes=model.num_classes,
        classes=model.classes,
        preprocess=model.preprocess.to_dict(),
        frames=(model.step_frames, model.step_frames) if streaming else _frames(program),
        state=_state(model) if streaming else (),
        clip_seconds=model.clip_seconds,
    )


def _frames(program: ExportedProgram) -> tuple[int, int | None]:
    """The T that a program takes, from the shape of its input."""
    first = next(iter(program.graph_signature.user_inputs))
    node = next(node for node in program.graph.nodes if node.name == first)
    count = node.meta["val"].shape[2]
    if isinstance(count, int):
        return count, count
    limits = program.range_constraints[count.node.expr]
    return int(limits.lower), int(limits.upper) if limits.upper < 2**31 else None


def _state(model: VideoModel) -> tuple[StateTensor, ...]:
    """Names, shapes and first values of the state; B is the size that differs between one stream and two."""
    tensors = []
    for name, one, two in zip(model.state_names, model.init_state(1), model.init_state(2), strict=True):
        shape = tuple(a if a == b else None for a, b in zip(one.shape, two.shape, strict=True))
        fill = float(one.flatten()[0])
        assert bool((one == fill).all()), f"state {name} does not start with one value"
        tensors.append(StateTensor(name, shape, fill))
    return tuple(tensors)


def _result(
    path: Path,
    kind: str,
    spec: ExportSpec,
    rewritten: Rewritten,
    absolute: float,
    relative: float,
    random: int,
    real: int,
    size: int,
) -> Exported:
    side, channels = spec.input.size, spec.input.channels
    frames = spec.frames[0] if spec.frames[0] == spec.frames[1] else "T"
    state: list[tuple[StateTensor, list[int | str]]] = [
        (tensor, ["B" if n is None else n for n in tensor.shape]) for tensor in spec.state
    ]
    main = STEP_INPUT if spec.kind == "step" else INPUT
    return Exported(
        path=str(path),
        format=kind,
        max_abs_diff=absolute,
        max_rel_diff=relative,
        random_clips=random,
        real_clips=real,
        inputs={main: ["B", channels, frames, side, side], **{tensor.name: shape for tensor, shape in state}},
        outputs={OUTPUT: ["B", spec.num_classes], **{tensor.next_name: shape for tensor, shape in state}},
        frames=spec.frames,
        form=rewritten.form,
        own_mix=rewritten.own_mix,
        bytes=size,
    )
