"""How time travels through an image network.

An operator sits inside a network that only knows folded frames ``[B*T, C, H, W]``. The video model therefore owns one
:class:`TimeCall`, the call in hand; every operator plugged into that model holds a reference to it and asks it how
many frames a clip has and, when stepping frame by frame, what it kept from the frames before. Nothing in it is a
parameter or a buffer, and nothing stays in it after the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

State = tuple[Tensor, ...]


class TimeCall:
    """The call in hand: the number of frames and, when stepping, the state coming in and going out.

    One model serves one call at a time. A second call that enters while one is under way (two threads sharing a model)
    would mix up frame counts silently, so it raises ``RuntimeError`` instead: give each thread its own copy.
    """

    def __init__(self) -> None:
        self._frames: int | None = None
        self._past: State | None = None
        self._kept: list[Tensor] | None = None

    def open(self, frames: int) -> None:
        """Starts a call on whole clips of ``frames`` frames."""
        if self._frames is not None:
            raise RuntimeError(
                "this model is already in a call: give each thread a copy of the model (copy.deepcopy), or put a lock "
                "around the call"
            )
        self._frames = frames

    def open_step(self, frames: int, past: State | None) -> None:
        """Starts a call on the next ``frames`` frames after ``past`` (``None``: the first ones)."""
        self.open(frames)
        self._past = past
        self._kept = []

    def close(self) -> State:
        """Ends the call and returns what the operators kept, in the order in which they ran."""
        kept = tuple(self._kept or ())
        self._frames = self._past = self._kept = None
        return kept

    @contextmanager
    def replay(self, frames: int) -> Iterator[None]:
        """A clip call that is computed again during backward (gradient checkpointing)."""
        outer = self._frames
        self._frames = frames
        try:
            yield
        finally:
            self._frames = outer

    @property
    def frames(self) -> int:
        """Frames per clip, T."""
        if self._frames is None:
            raise RuntimeError(
                "a temporal operator ran outside its video model, so the number of frames is unknown: call the video "
                "model itself, and switch on gradient checkpointing by its own set_grad_checkpointing()"
            )
        return self._frames

    def pool(self, frames: int) -> None:
        """From here on through the network a clip has ``frames`` frames: an operator joined some."""
        self._frames = frames

    @property
    def stepping(self) -> bool:
        """Whether the call goes frame by frame, with state."""
        return self._kept is not None

    def past(self, count: int) -> State | None:
        """The ``count`` tensors that the asking operator kept in the previous step; ``None`` at the start of a clip."""
        assert self._kept is not None
        at = len(self._kept)
        return None if self._past is None else self._past[at : at + count]

    def keep(self, state: State) -> None:
        """Keeps tensors for the asking operator's next step, as many every time."""
        assert self._kept is not None
        self._kept.extend(state)
