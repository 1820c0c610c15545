"""Description of an exported model: what a file must contain to be used without its checkpoint and without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.version import __version__

FORMAT = 1
KEY = "spatempo"  # of the document in the metadata of an ONNX file
FILE = "spatempo.json"  # of the document in the folder of an OpenVINO model
INPUT, OUTPUT = "clip", "logits"
STEP_INPUT = "frames"
Kind = Literal["clip", "step"]


@dataclass(frozen=True)
class StateTensor:
    """One tensor of the state of a stream.

    Attributes:
        name: of the model's input; the output with the next state is :attr:`next_name`.
        shape: sizes; ``None`` is B, the number of streams.
        fill: the value of all elements before the first frame.
    """

    name: str
    shape: tuple[int | None, ...]
    fill: float = 0.0

    @property
    def next_name(self) -> str:
        return f"next_{self.name}"


@dataclass(frozen=True)
class ExportSpec:
    """All facts of an exported model.

    Attributes:
        kind: ``clip``: ``clip [B, C, T, H, W] -> logits [B, K]``; ``step``: ``frames [B, C, t, H, W]`` and the state
            tensors to ``logits`` and the next state.
        name, design, backbone, options: of the model, see :class:`~spatempo.models.video_model.VideoModel`.
        num_classes, classes: K, and the names if known.
        preprocess: input specification, as :meth:`~spatempo.inputs.spec.Preprocess.to_dict` gives it.
        frames: smallest and largest T that the model takes; the largest is ``None`` if there is no limit. Of a step
            both are t.
        state: state tensors in order; empty for clips.
        clip_seconds: median length of the training videos, if known.
        precision: of the computation, ``f32``.
        version: of the spatempo that wrote the file.
        format: of the document.
    """

    kind: Kind
    name: str
    design: str
    backbone: str
    options: dict[str, Any]
    num_classes: int
    classes: list[str] | None
    preprocess: dict[str, Any]
    frames: tuple[int, int | None]
    state: tuple[StateTensor, ...] = ()
    clip_seconds: float | None = None
    precision: str = "f32"
    version: str = __version__
    format: int = field(default=FORMAT)

    @property
    def input(self) -> Preprocess:
        """Input specification as an object."""
        return Preprocess.from_dict(self.preprocess)

    def takes(self, frames: int) -> bool:
        """Whether clips of T frames are possible."""
        least, most = self.frames
        return least <= frames and (most is None or frames <= most)

    def to_json(self) -> str:
        """The document. A fill value is written as text, since JSON has no infinity."""
        plain = asdict(self)
        plain["state"] = [{**tensor, "fill": repr(tensor["fill"])} for tensor in plain["state"]]
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str, where: object) -> ExportSpec:
        """Reads a document.

        Args:
            text: JSON.
            where: the file, for errors.

        Raises:
            SpatempoError: damaged, or of a newer format.
        """
        try:
            facts = json.loads(text)
        except ValueError as error:
            raise SpatempoError(f"{where}: its description is damaged ({error}); export the model again") from error
        found = facts.get("format") if isinstance(facts, Mapping) else None
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise SpatempoError(f"{where}: its description is damaged (no format); export the model again")
        if found > FORMAT:
            raise SpatempoError(f"{where}: has format {found}, newer than this spatempo supports; upgrade spatempo")
        try:
            state = tuple(
                StateTensor(tensor["name"], tuple(tensor["shape"]), float(tensor["fill"])) for tensor in facts["state"]
            )
            least, most = facts["frames"]
            known = {f.name: facts[f.name] for f in fields(cls)}
            spec = cls(**{**known, "state": state, "frames": (least, most)})
            spec.input  # noqa: B018  (refuses a damaged input specification here)
        except (KeyError, TypeError, ValueError) as error:
            raise SpatempoError(f"{where}: its description is damaged ({error}); export the model again") from error
        return spec
