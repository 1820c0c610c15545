"""The current forward pass, shared by a video model and its operators.

Operators are placed inside an image network, which only sees folded frames ``[B*T, C, H, W]``. The video model
therefore owns one :class:`ForwardContext`, and every operator in the model has a reference to it. The context provides
the number of frames per clip and, when a stream is processed step by step, the state of the previous step. It contains
no parameters and no buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Protocol

from torch import Tensor

State = tuple[Tensor, ...]


class Owner(Protocol):
    """An object that keeps state between steps, such as an operator."""

    state_names: ClassVar[tuple[str, ...]]


class ForwardContext:
    """The current forward pass: number of frames, state of a stream, tapped outputs and auxiliary losses.

    A model runs one forward pass at a time. If two threads share a model, the second forward pass raises
    ``RuntimeError``, because both would use the same number of frames and state. Give each thread its own copy, or use
    :class:`~spatempo.evaluation.scoring.predictor.Predictor`, which uses a lock.
    """

    def __init__(self) -> None:
        self._frames: int | None = None
        self._past: State | None = None
        self._kept: list[Tensor] | None = None
        self._owners: list[Owner] = []
        self._tapped: dict[str, Tensor] = {}
        self._losses: dict[str, Tensor] = {}
        self._extras: dict[str, Tensor] = {}
        self._replaying = False

    # --- called by the video model -----------------------------------------------------------------------------------

    def open(self, frames: int) -> None:
        """Starts a forward pass on whole clips of ``frames`` frames."""
        self._require_idle()
        self._frames = frames
        self._losses = {}

    def _require_idle(self) -> None:
        if self._frames is not None:
            raise RuntimeError(
                "this model is already running a forward pass: give each thread a copy of the model (copy.deepcopy), "
                "or put a lock around the call"
            )

    def open_step(self, frames: int, past: State | None) -> None:
        """Starts a step on the next ``frames`` frames, with the state of the previous step (``None`` at the start)."""
        self.open(frames)
        self._past = past
        self._kept = []
        self._owners = []

    def close(self) -> State:
        """Ends the forward pass and returns the new state of all operators, in the order in which they ran."""
        kept = tuple(self._kept or ())
        self._frames = self._past = self._kept = None
        self._tapped = {}
        return kept

    @contextmanager
    def replay(self, frames: int) -> Iterator[None]:
        """Context for recomputing a part of the forward pass during backward (gradient checkpointing)."""
        outer = self._frames, self._replaying
        self._frames, self._replaying = frames, True
        try:
            yield
        finally:
            self._frames, self._replaying = outer

    # --- called by operators -----------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """Frames per clip, T."""
        if self._frames is None:
            raise RuntimeError(
                "a temporal operator ran outside its video model, so the number of frames is unknown: call the video "
                "model itself, and use its set_grad_checkpointing() for gradient checkpointing"
            )
        return self._frames

    def fold(self, clip: Tensor) -> Tensor:
        """Clips ``[B, T, ...]`` as frames ``[B*T, ...]``; a view where memory allows it."""
        return clip.flatten(0, 1)

    def unfold(self, frames: Tensor) -> Tensor:
        """Frames ``[B*T, ...]`` as clips ``[B, T, ...]``, a view; the inverse of :meth:`fold`."""
        return frames.unflatten(0, (-1, self.frames))

    def pool(self, frames: int) -> None:
        """Sets the number of frames per clip for the rest of the network; called by operators that pool frames."""
        self._frames = frames

    @property
    def stepping(self) -> bool:
        """Whether this forward pass is one step of a stream, with state."""
        return self._kept is not None

    def past(self, count: int) -> State | None:
        """The ``count`` state tensors of the calling operator from the previous step; ``None`` at the start."""
        assert self._kept is not None
        at = len(self._kept)
        return None if self._past is None else self._past[at : at + count]

    def keep(self, owner: Owner, state: State) -> None:
        """Stores the state of ``owner`` for its next step. Every step must store the same number of tensors."""
        assert self._kept is not None
        self._kept.extend(state)
        self._owners.append(owner)

    @property
    def owners(self) -> list[Owner]:
        """Operators that stored state in the last step, in the order in which they ran."""
        return self._owners

    # --- tapped outputs, keyword inputs and auxiliary losses ----------------------------------------------------------

    def tap(self, name: str, output: Tensor) -> None:
        """Records the output of layer ``name`` in this forward pass."""
        self._tapped[name] = output

    @property
    def tapped(self) -> Mapping[str, Tensor]:
        """Outputs of the tapped layers by name, as folded frames. Available until the forward pass ends."""
        return self._tapped

    def set_extras(self, extras: Mapping[str, Tensor]) -> None:
        """Sets the keyword inputs of the next forward pass; called by the video model."""
        self._require_idle()
        self._extras = dict(extras)

    @property
    def extras(self) -> Mapping[str, Tensor]:
        """Keyword inputs of the current forward pass by name, such as ``boxes``. Omitted inputs are missing."""
        return self._extras

    def add_loss(self, name: str, value: Tensor) -> None:
        """Adds a scalar loss that training adds to the classification loss. Losses with the same name are summed.

        A block that gradient checkpointing recomputes counts once.
        """
        if not self._replaying:
            self._losses[name] = self._losses[name] + value if name in self._losses else value

    @property
    def losses(self) -> Mapping[str, Tensor]:
        """The auxiliary losses of the last forward pass, by name."""
        return self._losses
