"""One training step as a Lightning module. The model itself is written for a single device."""

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
    """A model with its loss, optimiser and frozen parameters.

    For Lightning the whole run is one epoch (see :class:`~spatempo.learning.batches.BatchStream`). Epochs, validation
    and saving are handled by :class:`~spatempo.learning.run_callback.RunCallback`.

    Args:
        model: the model to train.
        recipe: resolved recipe.
        steps: optimiser steps of the whole run.
        loader: creates the training loader for the rank of this process.
        unreadable: called with the ``"path: reason"`` of unreadable clips; raises an error if there are too many.
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
        self.first_batch = 0  # batches done before this process started; RunCallback sets it when resuming
        self._loader = loader
        self._unreadable = unreadable
        self._keep_frozen = freeze(model, recipe)
        # Loss x clips, correct predictions and clips of this epoch so far, on the device so that no step waits for it.
        # Not a buffer, because DDP would overwrite it with that of the first process.
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
        # Dropout of a batch depends only on the seed of the run and the number of the batch. So no generator state has
        # to be saved, and random numbers drawn between two batches (by loaders) have no effect.
        torch.manual_seed(batch_seed(self.recipe.seed, self.first_batch + batch_idx, self.global_rank))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor | None:
        """Cross-entropy of a batch: ``clip`` float ``[B, 3, T, H, W]``, ``label`` int ``[B]``, ``errors`` list[str]."""
        if batch["errors"]:
            self._unreadable(batch["errors"])
        labels: Tensor = batch["label"]
        if not len(labels):
            if self.trainer.world_size > 1:
                raise SpatempoError("no clip of a batch could be read; fix the data first (see `spatempo data scan`)")
            return None  # the other batches of this optimiser step are still used
        logits: Tensor = self.model(batch["clip"]).float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        for auxiliary in self.model.auxiliary_losses().values():
            loss = loss + auxiliary.float()
        with torch.no_grad():
            correct = (logits.argmax(1) == labels).sum()
            sums = (loss.detach() * len(labels), correct.float(), torch.ones_like(loss) * len(labels))
            self.tally += torch.stack(sums)
        return loss

    def so_far(self) -> tuple[float, float]:
        """Mean loss and top-1 of this epoch so far, on this device. Waits for the device."""
        loss, correct, clips = self.tally.tolist()
        return loss / max(clips, 1.0), correct / max(clips, 1.0)

    def check_finite(self) -> None:
        """Raises a SpatempoError if a loss of this epoch was not finite. Slow in every step: waits for the device."""
        if not bool(self.tally[0].isfinite()):
            raise SpatempoError(
                f"the loss is no longer a finite number: training diverged with lr {self.recipe.lr:g}; use a lower "
                "`lr`, a lower `clip_norm`, or 32 bit (`precision=32`)"
            )


def batch_seed(seed: int, batch: int, rank: int) -> int:
    """A 63-bit seed for the random numbers of one batch on one device."""
    digest = hashlib.blake2b(f"{seed} {batch} {rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
