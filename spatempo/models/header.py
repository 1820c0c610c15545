"""The description of a model in a checkpoint's header: one JSON document, also read in older formats.

Format 2 is the current one. In format 1, R2D's number of frames was the option ``stem_frames``, GSM's option ``ratio``
was called ``share``, and the lines of operators had no kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from spatempo.errors import SpatempoError

FORMAT = 2


@dataclass(frozen=True)
class Header:
    """Settings needed to build a model again, and facts about its training.

    Attributes:
        name, design, backbone, options: see :class:`~spatempo.models.video_model.VideoModel`.
        dropout: dropout probability before the classifier.
        num_classes, classes: K, and the class names if known.
        preprocess: the input specification, as returned by :meth:`~spatempo.inputs.spec.Preprocess.to_dict`.
        frames: T, for designs with a fixed number of frames.
        clip_seconds: median length of the training videos.
        plugged: one line per operator, see :class:`~spatempo.models.build.Plug`.
        recipe, metrics: training recipe and measured metrics.
        format: format of the file that this was read from.
    """

    name: str
    design: str
    backbone: str
    options: dict[str, Any]
    dropout: float
    num_classes: int
    classes: list[str] | None
    preprocess: dict[str, Any]
    plugged: list[str]
    recipe: dict[str, Any]
    metrics: dict[str, float]
    clip_seconds: float | None = None
    frames: int | None = None
    format: int = field(default=FORMAT)

    def to_json(self) -> str:
        """The JSON document, in the current format."""
        return json.dumps({**asdict(self), "format": FORMAT})

    @classmethod
    def from_json(cls, text: str, where: object) -> Header:
        """Reads a document of any format.

        Args:
            text: JSON.
            where: the file, for error messages.

        Raises:
            SpatempoError: damaged, or of a newer format.
        """
        try:
            facts = json.loads(text)
        except ValueError as error:
            raise SpatempoError(f"{where}: its description is damaged ({error}); train or save it again") from error
        found = facts.get("format") if isinstance(facts, dict) else None
        if not isinstance(found, int) or found < 1:
            raise SpatempoError(f"{where}: its description is damaged (no format); train or save it again")
        if found > FORMAT:
            raise SpatempoError(f"{where}: format {found} is newer than this version of spatempo; upgrade spatempo")
        if found == 1:
            facts = _from_format_1(facts)
        known = {f.name: f.type for f in fields(cls)}
        missing = sorted(name for name in known if name not in facts and name not in ("clip_seconds", "frames"))
        wrong = sorted(name for name, kinds in _KINDS.items() if name in facts and not isinstance(facts[name], kinds))
        if missing or wrong:
            what = f"no {missing[0]!r}" if missing else f"{wrong[0]!r} is {facts[wrong[0]]!r}"
            raise SpatempoError(f"{where}: its description is damaged ({what}); train or save it again")
        return cls(**{name: facts[name] for name in known if name in facts})


_KINDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "design": str,
    "backbone": str,
    "options": dict,
    "dropout": (int, float),
    "num_classes": int,
    "preprocess": dict,
    "plugged": list,
    "recipe": dict,
    "metrics": dict,
}


def _from_format_1(facts: Mapping[str, Any]) -> dict[str, Any]:
    facts = dict(facts)
    options = facts.get("options")
    if isinstance(options, dict):
        facts["options"] = present_options(options)
        facts["frames"] = options.get("stem_frames")
    return facts


def present_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a design by their current names, without R2D's ``stem_frames``, which is no longer an option."""
    return {"ratio" if name == "share" else name: v for name, v in options.items() if name != "stem_frames"}


def same_operators(header: Header, plugged: list[str]) -> str | None:
    """The first operator in which a header and a model differ, or ``None``.

    Lines of format 1 are ``backbone.<module>: <operator>``, in the order of modules and without a kind. An operator at
    the input of a block was listed as ``<block>.temporal_in``.
    """
    if header.format > 1:
        return _first_difference(header.plugged, plugged)
    return _first_difference(sorted(header.plugged), sorted(map(_line_of_format_1, plugged)))


def _line_of_format_1(line: str) -> str:
    module, _, operator = line.partition(": ")
    name, _, kind = module.rpartition(" ")
    return f"backbone.{name}{'.temporal_in' if kind == 'before' else ''}: {operator}"


def _first_difference(stored: list[str], built: list[str]) -> str | None:
    if stored == built:
        return None
    return next(iter(sorted(set(stored) ^ set(built))), "their order")
