"""Runs the training with Lightning, and converts errors and interrupts."""

from __future__ import annotations

import errno
import logging
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import lightning as L
import torch

from spatempo.errors import SpatempoError
from spatempo.files import cannot_write
from spatempo.learning.devices import DeviceSetup
from spatempo.learning.learner import Learner
from spatempo.learning.plan import state_file
from spatempo.learning.run_callback import RunCallback
from spatempo.learning.state import writing_failed

_QUIET = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
_EXPECTED = (
    r".*does not have many workers.*",  # the number is chosen by clips.default_workers
    r".*module\(s\) in eval mode at the start of training.*",  # partial batch norm
    r".*across ranks is zero.*",  # a resumed run with only the last validation left
    r".*lr_scheduler\.step\(\)` before `optimizer\.step\(\)`.*",  # 16 bit skips steps until it finds its loss scale
    r".*isinstance\(treespec, LeafSpec\).*",  # an issue between Lightning and newer versions of torch
    r".*`training_step` returned `None`.*",  # a batch without readable clips
)


def fit(learner: Learner, callback: RunCallback, setup: DeviceSetup, callbacks: Sequence[L.Callback] = ()) -> None:
    """Runs the remaining part of a run as one Lightning epoch.

    Raises:
        SpatempoError: an error of training, or a full disk.
        KeyboardInterrupt: interrupted; how to continue the run was printed on stderr.
        SystemExit: terminated, with code 128 + SIGTERM.
    """
    recipe = callback.plan.recipe
    deterministic = torch.are_deterministic_algorithms_enabled()
    with _quiet_lightning(), callback.progress, torch.random.fork_rng(devices=[]):
        trainer = L.Trainer(
            **setup.trainer_arguments(recipe.precision or "32"),
            max_epochs=1,
            accumulate_grad_batches=recipe.accumulate,
            gradient_clip_val=recipe.clip_norm or None,
            deterministic=recipe.deterministic or None,
            callbacks=[*callbacks, callback],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        try:
            trainer.fit(learner)
            callback.records.close()
        except SpatempoError as error:
            raise _unwrap_worker_error(error) from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
                raise
            file = error.filename or callback.plan.out
            raise writing_failed(cannot_write(file, error), state_file(callback.plan.out)) from error
        except SystemExit:
            if callback.interrupts.received is None:
                raise  # not caused by a signal that Lightning handled
        finally:
            torch.use_deterministic_algorithms(deterministic)
            with suppress(SpatempoError):  # the error that ended the run is more important
                callback.records.close()
    received = callback.interrupts.received
    if received is not None and len(callback.records.history) < recipe.epochs:
        epoch = len(callback.records.history) + 1
        callback.progress.warn(f"interrupted in epoch {epoch}; `resume` continues the run in {callback.plan.out}")
        if received == signal.SIGTERM:
            sys.exit(128 + received)
        raise KeyboardInterrupt


def _unwrap_worker_error(error: SpatempoError) -> SpatempoError:
    """Original error of a loading worker; torch wraps it in a traceback, and the message is the last line."""
    text = str(error)
    if not text.startswith("Caught "):
        return error
    return SpatempoError(text.strip().splitlines()[-1].partition("Error: ")[2] or text)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hides Lightning's tips, and warnings about intended behaviour. Errors are still shown."""
    levels = {name: logging.getLogger(name).level for name in _QUIET}
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
