"""Callback of a run: end of epochs, validation, and saving of the training state."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from spatempo.learning.ema import Ema
from spatempo.learning.interrupts import Interrupts
from spatempo.learning.learner import Learner
from spatempo.learning.optim import lr_factor
from spatempo.learning.plan import Plan, state_file
from spatempo.learning.progress import RunProgress, clock
from spatempo.learning.records import Records, Row
from spatempo.learning.state import save_state
from spatempo.learning.unreadable import Unreadable
from spatempo.learning.validate import mean_loss, validate

LOG_EVERY = 20  # optimiser steps between two points of the curves
CHECK_EVERY = 10  # optimiser steps between two checks of the loss on devices where reading it is slow


class _Stop(Exception):
    """Validation was interrupted."""


class RunCallback(L.Callback):
    """Handles epochs, validation and the training state of a run.

    Lightning's own epochs, validation and restarts are not used: its mid-epoch restart repeats batches that were
    already used for training, and its distributed validation pads the data. For Lightning, all remaining batches of
    the run are one epoch. It handles devices, processes, precision, accumulation and gradient clipping.

    Args:
        plan: settings of the run.
        state: state of the run to resume, from ``load_state``; None: a new run.
        val: creates the loader of the validation clips of this device from its rank; None: no validation.
        progress, unreadable, interrupts: objects of this run.
    """

    def __init__(
        self,
        plan: Plan,
        state: dict[str, Any] | None,
        val: Callable[[int], DataLoader[Any]] | None,
        progress: RunProgress,
        unreadable: Unreadable,
        interrupts: Interrupts,
    ) -> None:
        self.plan, self.progress, self.unreadable, self.interrupts = plan, progress, unreadable, interrupts
        self.done = state["done"] if state else 0  # batches of this device
        history, best = (state["history"], state["best"]) if state else ([], None)
        self.records = Records(plan.out, plan.identity["recipe"], history, best)
        self.ema: Ema | None = None
        self._state = state
        self._make_val = val
        self._val: DataLoader[Any] | None = None
        self._seconds_before: float = state["seconds"] if state else 0.0
        self._epoch_before: float = state["epoch_seconds"] if state else 0.0
        self._begun = self._epoch_begun = self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, including earlier processes."""
        return self._seconds_before + time.monotonic() - self._begun

    # --- Lightning's hooks -------------------------------------------------------------------------------------------

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        learner = _learner(pl_module)
        learner.tally = learner.tally.to(learner.device)
        self.ema = Ema(learner.model, self.plan.recipe.ema) if self.plan.recipe.ema else None
        if self._state is not None:
            self._restore(trainer, learner, self._state)
            self._state = None
        learner.first_batch = self.done
        if trainer.is_global_zero:
            self.records.open(self.done // self.plan.recipe.accumulate)
        if self.done // self.plan.per_epoch > len(self.records.history):  # it was interrupted during validation
            self._finish_epoch(trainer, learner)
            trainer.should_stop = self._stop_requested(trainer)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        pl_module.train()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        learner, accumulate = _learner(pl_module), self.plan.recipe.accumulate
        self.done += 1
        if self.progress.batch(self.done):
            self.progress.show(learner.so_far()[0])
        if self.done % accumulate:
            return  # in the middle of an optimiser step
        step = self.done // accumulate
        if self.ema:
            self.ema.update(learner.model)
        if learner.device.type == "cpu" or step % CHECK_EVERY == 0:
            learner.check_finite()
        if step % LOG_EVERY == 0 and trainer.is_global_zero:
            loss, top1 = learner.so_far()
            self.records.curve(step, {"train/loss": loss, "train/top1": top1, "lr": self._lr(step)})
        at_end = self.done % self.plan.per_epoch == 0
        if at_end:
            self._finish_epoch(trainer, learner)
        stop = self._stop_requested(trainer)
        if not at_end and (stop or self._state_is_due(step)):
            self._save_state(trainer, learner)
        if stop:
            trainer.should_stop = True

    # --- end of an epoch ---------------------------------------------------------------------------------------------

    def _finish_epoch(self, trainer: L.Trainer, learner: Learner) -> None:
        pause_begun = time.monotonic()
        learner.check_finite()
        if self.plan.world > 1:
            dist.all_reduce(learner.tally)
        loss, top1 = learner.so_far()
        step = self.done // self.plan.recipe.accumulate
        row: Row = {
            "epoch": self.done // self.plan.per_epoch,
            "step": step,
            "lr": self._lr(step),
            "train_loss": loss,
            "train_top1": top1,
            "val_loss": None,
            "val_top1": None,
            "val_top5": None,
            "clips_per_s": round(self.progress.rate(), 2),
        }
        if self._make_val is not None:
            try:
                row |= self._validate(trainer, learner)
            except _Stop:
                self._save_state(trainer, learner)
                return
        learner.tally.zero_()
        now = time.monotonic()
        row["seconds"] = round(self._epoch_before + now - self._epoch_begun, 2)
        self._epoch_begun, self._epoch_before = now, 0.0
        better = self.records.add(row, learner.model, self.ema.average if self.ema else None)
        self._save_state(trainer, learner)
        self.progress.add_pause(time.monotonic() - pause_begun)
        self._print_epoch(row, better)

    def _validate(self, trainer: L.Trainer, learner: Learner) -> dict[str, float]:
        assert self._make_val is not None
        if self._val is None:
            self._val = self._make_val(trainer.global_rank)
        batches = len(self._val)
        self.progress.show_pause("validating", 0, batches)

        def each(done: int, errors: list[str]) -> None:
            self.unreadable.add("validation", errors)
            self.progress.show_pause("validating", done, batches)
            if self.interrupts.received is not None and self.plan.world == 1:
                raise _Stop  # with several devices the others would wait for this one forever

        model = learner.model
        with self.ema.applied(model) if self.ema else nullcontext():
            if self.plan.world > 1:  # use the batch-norm statistics that are saved, since each device has its own
                for buffer in model.buffers():
                    dist.broadcast(buffer, 0)
            result = validate(model, self._val, learner.device, tuple(model.classes or ()), each=each)
        return {"val_loss": mean_loss(result), "val_top1": result.top1, "val_top5": result.top5}

    def _print_epoch(self, row: Row, better: bool) -> None:
        parts = [
            f"epoch {row['epoch']}/{self.plan.recipe.epochs}",
            f"train loss {row['train_loss']:.3f} top-1 {row['train_top1']:.3f}",
        ]
        if row["val_top1"] is not None:
            parts.append(f"val loss {row['val_loss']:.3f} top-1 {row['val_top1']:.3f}{' (best)' if better else ''}")
        left = self.progress.seconds_left()
        parts += [f"{row['clips_per_s']:.1f} clips/s", *([f"{clock(left)} left"] if left else [])]
        self.progress.say("  ".join(parts))

    def _lr(self, step: int) -> float:
        """Learning rate of the last optimiser step (for most weights)."""
        return (self.plan.recipe.lr or 0.0) * lr_factor(self.plan.recipe, step - 1, self.plan.steps)

    # --- training state ----------------------------------------------------------------------------------------------

    def _save_state(self, trainer: L.Trainer, learner: Learner) -> None:
        self._saved = time.monotonic()
        learner.check_finite()  # an unusable state must not replace a usable one
        if not trainer.is_global_zero:
            return
        save_state(
            {
                "identity": self.plan.identity,
                "done": self.done,
                "model": learner.model.state_dict(),
                "optimizer": trainer.optimizers[0].state_dict(),
                "scheduler": trainer.lr_scheduler_configs[0].scheduler.state_dict(),
                "precision": trainer.precision_plugin.state_dict(),  # the loss scale of 16 bit
                "ema": self.ema.state_dict() if self.ema else None,
                "tally": learner.tally,
                "history": self.records.history,
                "best": self.records.best,
                "unreadable": self.unreadable.state_dict(),
                "seconds": self.seconds,
                "epoch_seconds": self._epoch_before + self._saved - self._epoch_begun,
            },
            state_file(self.plan.out),
        )

    def _restore(self, trainer: L.Trainer, learner: Learner, state: dict[str, Any]) -> None:
        learner.model.load_state_dict(state["model"])
        trainer.optimizers[0].load_state_dict(state["optimizer"])
        scheduler: Any = trainer.lr_scheduler_configs[0].scheduler
        scheduler.load_state_dict(state["scheduler"])
        # the state contains the next learning rate of the old schedule, which differs if the number of epochs changed
        factor = lr_factor(self.plan.recipe, scheduler.last_epoch, self.plan.steps)
        scheduler._last_lr = [base * factor for base in scheduler.base_lrs]
        for group, lr in zip(trainer.optimizers[0].param_groups, scheduler._last_lr, strict=True):
            group["lr"] = lr
        trainer.precision_plugin.load_state_dict(state["precision"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        learner.tally.copy_(state["tally"])
        self.unreadable.load_state_dict(state["unreadable"])

    def _state_is_due(self, step: int) -> bool:
        by_count = self.plan.save_every is not None and step % self.plan.save_every == 0
        return by_count or time.monotonic() - self._saved > 60 * self.plan.save_minutes

    def _stop_requested(self, trainer: L.Trainer) -> bool:
        requested = self.interrupts.received is not None
        if self.plan.world > 1:  # all must stop after the same step, otherwise the remaining ones wait forever
            votes = torch.tensor(float(requested), device=trainer.strategy.root_device)
            dist.all_reduce(votes)
            requested = bool(votes > 0)
        return requested


def _learner(module: L.LightningModule) -> Learner:
    assert isinstance(module, Learner)
    return module
