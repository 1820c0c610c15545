"""One training step, as Lightning runs it: the model stays single-device, Lightning adds the rest from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from spatempo.errors import SpatempoError
from spatempo.learning.freeze import freeze
from spatempo.learning.optim import make_optimizer, make_scheduler
from spatempo.learning.recipe import Recipe
from spatempo.models.video_model import VideoModel


class Learner(L.LightningModule):
    """A model with its loss, its optimiser and what is frozen.

    Lightning sees the whole run as one epoch (see :class:`~spatempo.learning.batches.BatchStream`); epochs, validation
    and saving are the :class:`~spatempo.learning.run_callback.RunCallback`'s.

    Args:
        model: what learns.
        recipe: resolved.
        steps: optimiser steps of the whole run.
        loader: makes the training loader, once this process knows which of the devices it is.
        unreadable: told the ``"path: reason"`` of clips that could not be read; raises when they are too many.
    """

    def __init__(
        self,
        model: VideoModel,
        recipe: Recipe,
        steps: int,
        loader: Callable[[int], DataLoader[Any]],
        unreadable: Callable[[list[str]], None],
    ) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.steps = steps
        self.first_batch = 0  # batches of the run done before this process; the run callback sets it when resuming
        self._loader = loader
        self._unreadable = unreadable
        self._keep_frozen = freeze(model, recipe)
        # loss x clips, right answers, clips of this epoch so far; on the device, so that no step waits for it. Not a
        # buffer: DDP would overwrite every process's own with the first one's.
        self.tally = torch.zeros(3)

    def train(self, mode: bool = True) -> Learner:
        super().train(mode)
        self._keep_frozen()
        return self

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.trainer.global_rank)

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.model, self.recipe)
        scheduler = make_scheduler(optimizer, self.recipe, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        # Dropout of a batch depends on the run's seed and the batch's number alone. So there is no generator state to
        # carry over a kill, and nothing that draws numbers between two batches (loaders do) can shift it.
        torch.manual_seed(batch_seed(self.recipe.seed, self.first_batch + batch_idx, self.global_rank))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor | None:
        """Cross-entropy of a batch: ``clip`` float ``[B, 3, T, H, W]``, ``label`` int ``[B]``, ``errors`` list[str]."""
        if batch["errors"]:
            self._unreadable(batch["errors"])
        labels: Tensor = batch["label"]
        if not len(labels):
            if self.trainer.world_size > 1:
                raise SpatempoError("no clip of a whole batch could be read; mend the data first (spatempo data scan)")
            return None  # the others of this optimiser step still count
        logits: Tensor = self.model(batch["clip"]).float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        for auxiliary in self.model.auxiliary_losses().values():
            loss = loss + auxiliary.float()
        with torch.no_grad():
            right = (logits.argmax(1) == labels).sum()
            self.tally += torch.stack((loss.detach() * len(labels), right.float(), torch.ones_like(loss) * len(labels)))
        return loss

    def so_far(self) -> tuple[float, float]:
        """Mean loss and top-1 of this epoch's clips so far (of this device). Waits for the device."""
        loss, right, clips = self.tally.tolist()
        return loss / max(clips, 1.0), right / max(clips, 1.0)

    def check_finite(self) -> None:
        """Raises a SpatempoError if a loss of this epoch was not a number. Waits for the device: not for every step."""
        if not bool(self.tally[0].isfinite()):
            raise SpatempoError(
                f"the loss is no longer a finite number: training diverged with lr {self.recipe.lr:g}; lower `lr`, "
                "clip gradients harder (`clip_norm`), or train in 32 bit (`precision=32`)"
            )


def batch_seed(seed: int, batch: int, rank: int) -> int:
    """A 63-bit seed for the random numbers a device draws in one batch."""
    digest = hashlib.blake2b(f"{seed} {batch} {rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
