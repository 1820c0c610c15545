"""How time travels through an image network.

An operator sits inside a network that only knows folded frames ``[B*T, C, H, W]``. The video model therefore owns one
:class:`ForwardContext` for its current forward pass. Every operator placed in that model holds a reference to it and
asks it how many frames a clip has and, when stepping frame by frame, what it kept from the frames before. Nothing in
it is a parameter or a buffer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Protocol

from torch import Tensor

State = tuple[Tensor, ...]


class Owner(Protocol):
    """What keeps state from step to step: an operator."""

    state_names: ClassVar[tuple[str, ...]]


class ForwardContext:
    """The current forward pass: number of frames, state when stepping, tapped outputs and auxiliary losses.

    One model serves one forward pass at a time. A second one that enters while one is under way (two threads sharing a
    model) would mix up frame counts silently, so it raises ``RuntimeError`` instead: give each thread its own copy, or
    use :class:`~spatempo.evaluation.scoring.predictor.Predictor`, which takes a lock.
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

    # --- opened and closed by the video model ------------------------------------------------------------------------

    def open(self, frames: int) -> None:
        """Starts a forward pass on whole clips of ``frames`` frames."""
        self._refuse_second()
        self._frames = frames
        self._losses = {}

    def _refuse_second(self) -> None:
        if self._frames is not None:
            raise RuntimeError(
                "this model is already in a call: give each thread a copy of the model (copy.deepcopy), or put a lock "
                "around the call"
            )

    def open_step(self, frames: int, past: State | None) -> None:
        """Starts a forward pass on the next ``frames`` frames after ``past`` (``None``: the first ones)."""
        self.open(frames)
        self._past = past
        self._kept = []
        self._owners = []

    def close(self) -> State:
        """Ends the forward pass and returns what the operators kept, in the order in which they ran."""
        kept = tuple(self._kept or ())
        self._frames = self._past = self._kept = None
        self._tapped = {}
        return kept

    @contextmanager
    def replay(self, frames: int) -> Iterator[None]:
        """A forward pass that is computed again during backward (gradient checkpointing)."""
        outer = self._frames, self._replaying
        self._frames, self._replaying = frames, True
        try:
            yield
        finally:
            self._frames, self._replaying = outer

    # --- asked by operators ------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """Frames per clip, T."""
        if self._frames is None:
            raise RuntimeError(
                "a temporal operator ran outside its video model, so the number of frames is unknown: call the video "
                "model itself, and switch on gradient checkpointing by its own set_grad_checkpointing()"
            )
        return self._frames

    def fold(self, clip: Tensor) -> Tensor:
        """Clips ``[B, T, ...]`` as frames ``[B*T, ...]``; a view where memory allows it."""
        return clip.flatten(0, 1)

    def unfold(self, frames: Tensor) -> Tensor:
        """Frames ``[B*T, ...]`` as clips ``[B, T, ...]``, a view; the inverse of :meth:`fold`."""
        return frames.unflatten(0, (-1, self.frames))

    def pool(self, frames: int) -> None:
        """From here on through the network a clip has ``frames`` frames: an operator joined some."""
        self._frames = frames

    @property
    def stepping(self) -> bool:
        """Whether the forward pass is one step of a stream, with state."""
        return self._kept is not None

    def past(self, count: int) -> State | None:
        """The ``count`` tensors that the asking operator kept in the previous step; ``None`` at the start of a clip."""
        assert self._kept is not None
        at = len(self._kept)
        return None if self._past is None else self._past[at : at + count]

    def keep(self, owner: Owner, state: State) -> None:
        """Keeps tensors for the next step of ``owner``, the same number in every step."""
        assert self._kept is not None
        self._kept.extend(state)
        self._owners.append(owner)

    @property
    def owners(self) -> list[Owner]:
        """The operators that kept state in the last step, in the order in which they ran."""
        return self._owners

    # --- outputs that a design reads from the middle of a network, and losses next to the classification's -----------

    def tap(self, name: str, output: Tensor) -> None:
        """Notes what the layer ``name`` puts out in this forward pass."""
        self._tapped[name] = output

    @property
    def tapped(self) -> Mapping[str, Tensor]:
        """Outputs of the tapped layers by name, folded frames as the network has them; until the pass ends."""
        return self._tapped

    def give(self, extras: Mapping[str, Tensor]) -> None:
        """Sets the keyword inputs of the next forward pass; called by the video model."""
        self._refuse_second()
        self._extras = dict(extras)

    @property
    def extras(self) -> Mapping[str, Tensor]:
        """Keyword inputs of the current call by name, such as ``boxes``; those that were not given are missing."""
        return self._extras

    def add_loss(self, name: str, value: Tensor) -> None:
        """Adds a scalar loss that training sums with the classification's; losses of one name are added up.

        A block that is computed again during backward does not count twice.
        """
        if not self._replaying:
            self._losses[name] = self._losses[name] + value if name in self._losses else value

    @property
    def losses(self) -> Mapping[str, Tensor]:
        """The auxiliary losses of the last forward pass, by name."""
        return self._losses
