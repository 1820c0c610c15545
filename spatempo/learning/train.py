"""``train``: trains a model on labelled videos and saves checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities import rank_zero_only

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.learning.announce import announce
from spatempo.learning.batches import BatchStream
from spatempo.learning.clips import (
    Loading,
    default_workers,
    load_clips,
    make_datasets,
    median_seconds,
    median_short_side,
)
from spatempo.learning.devices import find_device_setup
from spatempo.learning.extend import check_past
from spatempo.learning.fit import fit
from spatempo.learning.interrupts import Interrupts
from spatempo.learning.learner import Learner
from spatempo.learning.network import frames_read, settings_of, start_network, use_network, with_modality
from spatempo.learning.plan import Plan, run_folder, state_file
from spatempo.learning.progress import RunProgress, clock
from spatempo.learning.recipe import Recipe
from spatempo.learning.recipes import recipe as make_recipe
from spatempo.learning.recipes import resolve
from spatempo.learning.run_callback import RunCallback
from spatempo.learning.state import check_same_run, fingerprint_data, load_state
from spatempo.learning.unreadable import Unreadable
from spatempo.limits import check_number
from spatempo.models.video_model import VideoModel
from spatempo.process import keep_memory


@dataclass(frozen=True)
class TrainResult:
    """Result of a run.

    Attributes:
        checkpoint: folder of the best checkpoint.
        epochs: number of passes over the data, including those before a restart.
        seconds: wall time, including the time before a restart.
        top1, top5: accuracy of the best checkpoint on the validation data, as fractions; None without validation data.
        history: one dict per epoch: epoch, step, lr, train_loss, train_top1, val_loss, val_top1, val_top5, clips_per_s,
            seconds.
    """

    checkpoint: str
    epochs: int
    seconds: float
    top1: float | None
    top5: float | None
    history: list[dict[str, float | int | None]]


def train(
    data: str | Path | Manifest,
    *,
    model: str | VideoModel,
    val: str | Path | Manifest | None = None,
    out: str | Path | None = None,
    recipe: str | Recipe | Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    options: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str = "auto",
    devices: int | None = None,
    nodes: int = 1,
    workers: int | None = None,
    start_method: str | None = None,
    cache: bool | str | Path = False,
    max_unreadable: float = 0.0,
    save_every: int | None = None,
    save_minutes: float = 5.0,
    quiet: bool = False,
    callbacks: Sequence[L.Callback] = (),
    **fields: Any,
) -> TrainResult:
    """Trains a model, and saves the best and the last checkpoint.

    The folder of the run contains ``recipe.json`` (resolved), ``best/`` and ``last/`` (checkpoints), ``logs/``
    (TensorBoard and ``epochs.csv``) and ``resume/state.pt``. The best epoch has the highest validation top-1. Ties are
    decided by the lowest validation loss, then by the earliest epoch. Without validation data the last epoch is best.

    Args:
        data: training clips: a folder of class folders, a CSV, a published list file, or a Manifest.
        model: name of a model, see ``list_models``; or a model from ``create_model`` or ``load``, which is trained in
            place. In the latter case frames, size, sampling and dropout default to those of the model.
        val: validation clips, in any of these forms; their labels must be training classes.
        out: folder of the run, new or empty; None: ``runs/MODEL``, or the first free one of ``runs/MODEL-2``, ...
        recipe: a name of ``RECIPES``, a Recipe, or its fields; None: ``"finetune"`` with weights, else ``"scratch"``.
        weights: image-pretrained weights: a local file, or the name of a weight set of timm or torchvision, which is
            downloaded.
        mean, std: normalisation for the weights, three numbers each, if there is no ``.json`` next to the file.
        options: options of the design, such as ``{"shift_div": 4}``, and ``modality`` and ``stack`` of
            ``create_model``.
        resume: continue the run in `out` from its last state. The same data and settings must be given; settings that
            are not given are those of the run. On the CPU the result equals that of an uninterrupted run, bit for bit.
            Only ``epochs``, ``warmup`` and ``steps`` may change, and only if the learning rates of the steps already
            done stay the same: this allows more epochs for a step schedule without warm-up and drops, but not for
            cosine and onecycle.
        device: ``"auto"`` (CUDA, else MPS, else CPU), ``"cpu"``, ``"cuda"`` or ``"mps"``.
        devices: number of devices used together (DDP); None: all CUDA devices, else one.
        nodes: number of machines; this call must run on each of them, under torchrun or SLURM.
        workers: number of processes that read clips; None: number of cores minus one, at most 8. The result does not
            depend on it.
        start_method: start method of the workers (``"fork"``, ``"spawn"``, ``"forkserver"``); None: the default of the
            platform.
        cache: keep decoded frames on disk, for small data sets: True for a folder in that of the run, or a folder.
        max_unreadable: largest fraction of unreadable clips per data set; each is reported, none is replaced.
        save_every: optimiser steps between two saved states within an epoch; None: depends only on time.
        save_minutes: minutes between two saved states within an epoch. A state is also saved after each epoch.
        quiet: no progress output; unreadable clips are still reported.
        callbacks: additional Lightning callbacks. For Lightning the run is a single epoch.
        **fields: fields of the recipe, such as ``epochs=20, lr=0.02, size=112``; None keeps the value of the recipe.

    Returns:
        The result of the run.

    Raises:
        SpatempoError: invalid input, too many unreadable clips, a full disk, or diverged training; the message states
            the problem and a fix.
        KeyboardInterrupt: interrupted. The state was saved, and how to continue was printed on stderr. A second Ctrl-C
            does not wait for the end of the step and saves nothing.
    """
    _check_arguments(max_unreadable, save_every, save_minutes, workers)
    leader = rank_zero_only.rank == 0
    given = model if isinstance(model, VideoModel) else None
    name = model if isinstance(model, str) else model.name
    if given is not None:
        if weights is not None or mean is not None or std is not None or options:
            raise SpatempoError(
                f"model: {name} is already created: give `weights`, `mean`, `std` and `options` to create_model instead"
            )
        weights = given.weights
        fields = settings_of(given, fields)
    folder = run_folder(out, name, resume=resume, leader=leader)
    state = load_state(state_file(folder)) if resume else None
    before: dict[str, Any] = state["identity"] if state else {}
    setup = find_device_setup(device, devices, nodes)
    if setup.device == "cpu":
        keep_memory()
    given_weights = str(weights) if weights is not None else before.get("weights")
    requested = make_recipe(recipe or before.get("recipe"), weights=given_weights is not None, **fields)
    train_clips, val_clips = load_clips(data, val, requested.val_split, requested.seed)
    options = with_modality(options or {}, before)
    reads = frames_read(model, options)
    resolved = resolve(
        requested,
        clips=len(train_clips),
        classes=train_clips.classes,
        short_side=None if requested.size else median_short_side(train_clips, reads=reads),
        weights=given_weights is not None,
        devices=setup.world,
        precision=setup.precision,
    )
    setup.check_precision(resolved.precision)
    if given is not None:
        network = use_network(given, train_clips.classes, resolved)
    else:
        network = start_network(name, train_clips.classes, resolved, weights, mean, std, options, before)
    network.clip_seconds = median_seconds(train_clips, reads=reads)
    resolved = replace(resolved, size=network.preprocess.size)
    identity = {
        "model": network.name,
        "options": dict(network.options),
        "classes": list(train_clips.classes),
        "preprocess": network.preprocess.to_dict(),
        "weights": given_weights,
        "train": fingerprint_data(train_clips),
        "val": fingerprint_data(val_clips),
        "devices": setup.world,
        "recipe": resolved.to_dict(),
    }
    if state:
        check_same_run(before, identity, state_file(folder))
    stream = partial(
        BatchStream,
        len(train_clips),
        resolved.batch_size,
        accumulate=resolved.accumulate,
        epochs=resolved.epochs,
        seed=resolved.seed,
        world=setup.world,
        start=state["done"] if state else 0,
    )
    run = stream()
    if state:
        accumulate = resolved.accumulate
        check_past(before["recipe"], resolved, run.per_epoch // accumulate, state["done"] // accumulate, folder)
    plan = Plan(resolved, run.per_epoch, run.total, setup.world, folder, identity, save_every, save_minutes)
    clips_a_batch = resolved.batch_size * setup.world
    progress = RunProgress(run.total, run.per_epoch, clips_a_batch, start=run.start, quiet=quiet or not leader)
    announce(progress, plan, network, setup, run.start)
    cache_folder = None if cache is False else folder / "cache" if cache is True else Path(cache)
    train_set, val_set = make_datasets(train_clips, val_clips, network.preprocess, resolved, cache_folder)
    loading = Loading(default_workers() if workers is None else workers, start_method, pin=setup.device == "cuda")
    sizes = {"training": len(train_clips), "validation": len(val_clips) if val_clips else 0}
    unreadable = Unreadable(sizes, max_unreadable, progress.warn)
    learner = Learner(
        network,
        resolved,
        plan.steps,
        lambda rank: loading.train(train_set, stream(rank=rank)),
        partial(unreadable.add, "training"),
    )
    val_loader = None if val_set is None else partial(loading.val, val_set, world=setup.world)
    with Interrupts() as interrupts:
        callback = RunCallback(plan, state, val_loader, progress, unreadable, interrupts)
        del state  # the callback releases it; it contains a second copy of the weights and the optimiser
        try:
            fit(learner, callback, setup, callbacks)
        finally:
            loading.close()
    records = callback.records
    best = records.best or {}
    result = TrainResult(
        checkpoint=str(folder / "best"),
        epochs=len(records.history),
        seconds=round(callback.seconds, 3),
        top1=best.get("val_top1"),
        top5=best.get("val_top5"),
        history=records.history,
    )
    best_score = (
        "no validation data, best is the last epoch" if result.top1 is None else f"best top-1 {result.top1:.3f}"
    )
    progress.say(f"{best_score}; {result.epochs} epochs in {clock(result.seconds)}; {result.checkpoint}")
    return result


def _check_arguments(max_unreadable: float, save_every: int | None, save_minutes: float, workers: int | None) -> None:
    check_number("max_unreadable", max_unreadable)
    check_number("save_every", save_every)
    check_number("save_minutes", save_minutes)
    check_number("workers", workers)
