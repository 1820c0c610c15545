"""An exported model as a classifier: facts from its description, checks of its inputs, and its state if it has one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.runtime.spec import INPUT, STEP_INPUT, ExportSpec

State = tuple[np.ndarray, ...]
Shape = tuple[int | None, ...]  # None: any size


class Engine(ABC):
    """An exported model, run by an inference engine without torch.

    It is used in place of a model, for example by :func:`spatempo.predict` and :func:`spatempo.evaluate`. Several
    threads can share one engine.

    Args:
        path: exported file or folder, for errors.
        spec: its description.
        shape: ``[B, C, T, H, W]`` that the file accepts.

    Attributes:
        path, spec: as above.
        engine: name and version of the inference engine.
    """

    engine: str

    def __init__(self, path: Path, spec: ExportSpec, shape: Shape) -> None:
        self.path = path
        self.spec = spec
        self._shape = shape
        self._preprocess = spec.input

    @property
    def preprocess(self) -> Preprocess:
        """Input specification."""
        return self._preprocess

    @property
    def classes(self) -> Sequence[str] | None:
        """Class names in the order of the logits; None if unknown."""
        return self.spec.classes

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return self.spec.num_classes

    @property
    def name(self) -> str:
        """Name of the model, ``<design>_<backbone>``."""
        return self.spec.name

    @property
    def design(self) -> str:
        """Name of the design."""
        return self.spec.design

    @property
    def clip_seconds(self) -> float | None:
        """Median length of the training videos in seconds; None if unknown."""
        return self.spec.clip_seconds

    @property
    def frames(self) -> tuple[int, int | None]:
        """Smallest and largest T; the largest is None if there is no limit."""
        return self.spec.frames

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state tensors; empty if the file takes complete clips."""
        return tuple(tensor.name for tensor in self.spec.state)

    def __call__(self, clip: Any) -> np.ndarray:
        """Computes the logits of clips.

        Args:
            clip: normalised float clips ``[B, C, T, H, W]``, an array or a torch tensor.

        Returns:
            Float32 logits ``[B, K]``.

        Raises:
            SpatempoError: the file does not take clips of this shape, or contains a step of a stream.
        """
        if self.spec.kind != "clip":
            raise SpatempoError(
                f"{self.path}: takes {self.spec.frames[0]} frame(s) per call and a state: use init_state() and step(), "
                "or export the model without streaming=True"
            )
        values = self._checked(clip, "clip")
        return self._compute({INPUT: values})[0]

    def step(self, frames: Any, state: Sequence[np.ndarray]) -> tuple[np.ndarray, State]:
        """Computes the logits after the next frames of a stream.

        Args:
            frames: normalised float frames ``[B, C, t, H, W]``, an array or a torch tensor.
            state: from :meth:`init_state` at the start of a stream, then from the previous step.

        Returns:
            Float32 logits ``[B, K]``, and the next state.

        Raises:
            SpatempoError: the file does not take frames of this shape or this state, or takes complete clips.
        """
        self._check_step()
        values = self._checked(frames, "frames")
        if len(state) != len(self.spec.state) or any(
            np.shape(given) != tensor_shape(tensor.shape, len(values))
            for given, tensor in zip(state, self.spec.state, strict=True)
        ):
            raise SpatempoError(
                f"{self.path}: the state does not fit {len(values)} stream(s): pass the state of "
                f"init_state({len(values)}) or of the previous step"
            )
        outputs = self._compute({STEP_INPUT: values, **dict(zip(self.state_names, state, strict=True))})
        return outputs[0], tuple(outputs[1:])

    def init_state(self, batch_size: int = 1) -> State:
        """Creates the state before the first frame: float32 arrays in the order of :attr:`state_names`.

        Args:
            batch_size: B, number of parallel streams.

        Raises:
            SpatempoError: the file takes complete clips.
        """
        self._check_step()
        return tuple(
            np.full(tensor_shape(tensor.shape, batch_size), tensor.fill, np.float32) for tensor in self.spec.state
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: the logits, then the next state."""
        return ("logits", *(tensor.next_name for tensor in self.spec.state))

    @abstractmethod
    def _compute(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Runs the network on contiguous float32 inputs by name; returns the values of :attr:`outputs`."""

    def _check_step(self) -> None:
        if self.spec.kind != "step":
            raise SpatempoError(
                f"{self.path}: takes complete clips, not single frames: call it with a clip, or export a causal model "
                "with streaming=True"
            )

    def _checked(self, clip: Any, what: str) -> np.ndarray:
        """Returns the clip as a contiguous float32 array if the file accepts its shape."""
        if hasattr(clip, "detach"):  # a torch tensor; this module does not import torch
            clip = clip.detach().cpu().float()
        values = np.asarray(clip)
        if values.ndim != 5 or values.dtype.kind != "f":
            raise SpatempoError(
                f"{self.path}: {what} is {values.dtype} {list(values.shape)}; give normalised float values "
                "[B, C, T, H, W]"
            )
        _, channels, frames, *size = values.shape
        _, taken_channels, taken_frames, *taken_size = self._shape
        if channels != (taken_channels or self.preprocess.channels):
            raise SpatempoError(
                f"{self.path}: takes {taken_channels or self.preprocess.channels} channels, got {channels}"
            )
        if not self.spec.takes(frames) or taken_frames not in (None, frames):
            raise SpatempoError(
                f"{self.path}: takes {self._frames_in_words(taken_frames)}, got {frames}; give clips of this length, "
                "or export the model again for another"
            )
        if any(side not in (None, given) for side, given in zip(taken_size, size, strict=True)):
            raise SpatempoError(
                f"{self.path}: takes frames of {_by(taken_size)} pixels, got {_by(size)}; scale the frames, or export "
                "the model again for this size"
            )
        return np.ascontiguousarray(values, np.float32)

    def _frames_in_words(self, fixed: int | None) -> str:
        least, most = (fixed, fixed) if fixed is not None else self.spec.frames
        if least == most:
            return f"{least} frame{'s' * (least != 1)}"
        return f"at least {least} frames" if most is None else f"{least} to {most} frames"


def tensor_shape(shape: Shape, batch: int) -> tuple[int, ...]:
    """Shape of a state tensor for `batch` streams."""
    return tuple(batch if side is None else side for side in shape)


def missing(engine: str, extra: str, path: Path, error: ImportError) -> SpatempoError:
    """Error for an inference engine that is not installed or cannot be imported."""
    reason = str(error).splitlines()[0]
    return SpatempoError(f"{path}: {engine} cannot be imported ({reason}); run pip install 'spatempo[{extra}]'")


def foreign(path: Path) -> SpatempoError:
    """Error for a file of another program."""
    return SpatempoError(
        f"{path}: was not exported by spatempo (it has no description of its input); use a file written by "
        "`spatempo export`"
    )


def _by(size: Sequence[int | None]) -> str:
    return "x".join("any" if side is None else str(side) for side in size)
