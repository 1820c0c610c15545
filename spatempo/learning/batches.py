"""Order of the clips in batches: a pure function of (seed, epoch, batch), so that a run can be resumed at any batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class BatchStream(Sampler[list[tuple[int, int]]]):
    """All batches of a run, epoch after epoch, starting at any batch.

    The whole run is one stream. Nothing is set up again between epochs, and a resumed run uses the same stream with a
    later `start`. An epoch is one shuffled pass, truncated to whole optimiser steps, so that every step averages the
    same number of clips. The dropped clips (fewer than one effective batch) differ from epoch to epoch.

    Args:
        clips: number of training clips.
        batch_size: clips per batch, on one device.
        accumulate: batches per optimiser step.
        epochs: number of passes.
        seed: random seed of the order.
        rank, world: index of this device, and number of devices. Together they process each epoch once.
        start: batches (of this device) already done.

    Yields:
        Batches as lists of ``(epoch, index)``.
    """

    def __init__(
        self,
        clips: int,
        batch_size: int,
        *,
        accumulate: int = 1,
        epochs: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
    ) -> None:
        self.clips, self.batch_size, self.accumulate, self.epochs = clips, batch_size, accumulate, epochs
        self.seed, self.rank, self.world, self.start = seed, rank, world, start
        self.per_epoch = clips // (batch_size * world * accumulate) * accumulate
        if not self.per_epoch:
            raise ValueError(f"{clips} clips are fewer than one step: {batch_size} x {world} devices x {accumulate}")

    @property
    def total(self) -> int:
        """Number of batches (of this device) in the whole run."""
        return self.per_epoch * self.epochs

    def __len__(self) -> int:
        return max(0, self.total - self.start)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, order_of = np.zeros(0, np.int64), -1
        for batch in range(self.start, self.total):
            epoch, position = divmod(batch, self.per_epoch)
            if epoch != order_of:
                order, order_of = self.order(epoch), epoch
            first = (position * self.world + self.rank) * self.batch_size
            yield [(epoch, index) for index in order[first : first + self.batch_size].tolist()]

    def order(self, epoch: int) -> np.ndarray:
        """Shuffled indices ``[clips]`` of an epoch."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.clips)


class EvalSampler(Sampler[int]):
    """Evaluation clips of one device: every `world`-th clip. Each clip is used once; nothing is padded."""

    def __init__(self, clips: int, *, rank: int = 0, world: int = 1) -> None:
        self.indices = range(rank, clips, world)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)
