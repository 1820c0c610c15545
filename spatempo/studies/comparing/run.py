"""One run of a comparison: a design with a seed, trained and tested, remembered in a file so that it is done once.

``OUT/<run>/`` is the folder of the training; ``OUT/<run>.json`` beside it says how the run came about (``settings``)
and, once it is tested, what came out (``result``). A comparison that is started again reads the result from there, or
goes on with the training that was cut off.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from spatempo.device import pick_device
from spatempo.errors import SpatempoError
from spatempo.evaluation.order.shuffled import evaluate_shuffled
from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.results.families import families
from spatempo.learning.clips import default_workers, median_short_side
from spatempo.learning.network import frames_read
from spatempo.learning.recipe import Recipe, differences
from spatempo.learning.recipes import recipe as make_recipe
from spatempo.learning.recipes import resolve
from spatempo.learning.state import fingerprint_data, write
from spatempo.learning.train import TrainResult, train
from spatempo.models.checkpoint import load
from spatempo.models.info import describe
from spatempo.studies.comparing.budget import Budget
from spatempo.studies.comparing.parts import Parts
from spatempo.terminal import say

# arguments of train() that change how fast or where a run is computed, but not what comes out
_INDIFFERENT = ("workers", "cache", "quiet", "save_every", "save_minutes", "start_method", "callbacks")
_LEFTOVERS = {"recipe.json", "logs", "cache", "resume"}  # of a training that was cut off before its first state


@dataclass(frozen=True)
class Run:
    """A design, a seed, and where they are kept.

    Attributes:
        folder: of the training.
        model: name of the design.
        options: of the design.
        seed: of initial weights, order and augmentation.
        budget: of the training.
        protocol: of the test; None: one centre view.
        device: of both.
        settings: further arguments of ``train``.
    """

    folder: Path
    model: str
    options: Mapping[str, Any]
    seed: int
    budget: Budget
    protocol: str | None
    device: str
    settings: Mapping[str, Any]

    @property
    def file(self) -> Path:
        """Where settings and result are kept."""
        return self.folder.with_name(self.folder.name + ".json")

    def result(self, parts: Parts) -> dict[str, Any]:
        """Trains and tests, or reads what an earlier call found.

        Returns:
            ``checkpoint, epochs, seconds, history, top1, top5, mean_class, per_class, confusion, n, clips, crops,
            unreadable``; ``shuffled`` (top-1 with the frames shuffled, mean of a few permutations; None for a model of
            one frame); ``labels`` and ``answers`` (classes' numbers) and ``indices`` (in the test data) of every
            video; ``families`` and ``pairs`` where the test data name them. JSON types.

        Raises:
            SpatempoError: the folder holds a run with other settings, or training or testing cannot be done.
        """
        kept = self._kept(parts)
        found = kept.get("result")
        if found:
            _say(f"{self.model}, seed {self.seed}: taken from {self.file}")
            found["checkpoint"] = str(self.folder / "best")  # the folder may have moved
            if "shuffled" not in found:  # kept by an earlier version
                found["shuffled"] = self._evaluate(parts, found["checkpoint"])[1]
                self._keep(kept)
            return found
        if "epochs" not in kept:
            kept["epochs"] = self.epochs(parts)
            self._keep(kept)
        trained = self._train(parts, kept["epochs"])
        kept["result"] = {**_plain(trained), **self._test(parts, trained)}
        self._keep(kept)
        return kept["result"]

    def _kept(self, parts: Parts) -> dict[str, Any]:
        """What the file holds, or a fresh start."""
        settings = self.identity(parts)
        try:
            kept = json.loads(self.file.read_text(encoding="utf-8"))
            changed = differences(kept["settings"], settings)
        except FileNotFoundError:
            return {"settings": settings}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SpatempoError(f"{self.file}: is damaged; delete it and {self.folder}, or take another out") from None
        if changed:
            raise SpatempoError(
                f"{self.file}: holds a run with other settings ({'; '.join(changed[:3])}); "
                f"delete it and {self.folder}, or choose another out"
            )
        return kept

    def identity(self, parts: Parts) -> dict[str, Any]:
        """Everything that decides the outcome, as JSON gives it back."""
        weights = self.settings.get("weights")
        identity = {
            "model": self.model,
            "options": dict(self.options),
            "seed": self.seed,
            "budget": str(self.budget),
            "protocol": self.protocol,
            "train": fingerprint_data(parts.train),
            "val": fingerprint_data(parts.val),
            "test": fingerprint_data(parts.test),
            **{key: value for key, value in self.settings.items() if key not in _INDIFFERENT},
            "weights": None if weights is None else str(weights),
        }
        return json.loads(json.dumps(identity))

    def epochs(self, parts: Parts) -> int:
        """Passes that the budget pays for; one of minutes is found out by a pass that is thrown away."""
        if self.budget.epochs is not None:
            return self.budget.epochs
        if self.budget.macs is not None:
            asked = self.recipe(parts)
            facts = describe(
                self.model,
                frames=asked.frames,
                size=asked.size,
                num_classes=len(parts.train.classes),
                **self.options,
            )
            return self.budget.epochs_at(facts.macs * len(parts.train))
        _say(f"{self.model}: one pass to see how many {self.budget} pays for")
        return self.budget.epochs_at(self.trial(parts, 1).seconds)

    def recipe(self, parts: Parts) -> Recipe:
        """What the training will take, its open fields filled; a size that stays open is the design's own."""
        weights = self.settings.get("weights") is not None
        fields = {field.name for field in dataclasses.fields(Recipe)} & set(self.settings)
        asked = make_recipe(
            self.settings.get("recipe"), weights=weights, **{field: self.settings[field] for field in fields}
        )
        reads = frames_read(self.model, self.options)
        short_side = None if asked.size else median_short_side(parts.train, reads=reads)
        train = parts.train
        return resolve(asked, clips=len(train), classes=train.classes, short_side=short_side, weights=weights)

    def trial(self, parts: Parts, epochs: int) -> TrainResult:
        """A training that is thrown away."""
        folder = self.folder.with_name(self.folder.name + "-trial")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return self._call(parts, folder, epochs, resume=False)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _train(self, parts: Parts, epochs: int) -> TrainResult:
        resume = (self.folder / "resume" / "state.pt").is_file()
        if not resume and self.folder.is_dir() and {p.name for p in self.folder.iterdir()} <= _LEFTOVERS:
            shutil.rmtree(self.folder)
        return self._call(parts, self.folder, epochs, resume)

    def _call(self, parts: Parts, out: Path, epochs: int, resume: bool) -> TrainResult:
        given = {"devices": 1, **self.settings}  # one device each: alike, and no process of a group answers for another
        return train(
            parts.train,
            model=self.model,
            val=parts.val,
            out=out,
            options=dict(self.options),
            device=self.device,
            seed=self.seed,
            epochs=epochs,
            resume=resume,
            **given,
        )

    def _test(self, parts: Parts, trained: TrainResult) -> dict[str, Any]:
        result, shuffled = self._evaluate(parts, trained.checkpoint)
        found = {
            **result.to_json(),
            "shuffled": shuffled,
            "labels": result.labels.tolist(),
            "answers": result.answers.tolist(),
            "indices": result.indices.tolist(),
        }
        if any(sample.family for sample in parts.test.samples):
            found |= families(result, parts.test).to_json()
        return found

    def _evaluate(self, parts: Parts, checkpoint: str) -> tuple[EvalResult, float | None]:
        """What the test finds, and top-1 with the frames shuffled."""
        workers = self.settings.get("workers")
        result, shuffled = evaluate_shuffled(
            load(checkpoint, device=pick_device(self.device)),
            parts.test,
            protocol=self.protocol,
            workers=default_workers() if workers is None else workers,
            progress="" if self.settings.get("quiet") else "test",
        )
        return result, mean(shuffled) if shuffled else None

    def _keep(self, kept: Mapping[str, Any]) -> None:
        write(self.file, json.dumps(kept, indent=1).encode())


def run_folder(out: str | Path, short: str, seed: int) -> Path:
    """Where the run of a design with a seed is kept: ``OUT/tsm``, ``OUT/tsm-seed1``, ..."""
    name = re.sub(r"[^\w.+-]", "-", short)  # what no file system minds
    return Path(out) / (name if seed == 0 else f"{name}-seed{seed}")


def _plain(trained: TrainResult) -> dict[str, Any]:
    return {
        "checkpoint": trained.checkpoint,
        "epochs": trained.epochs,
        "seconds": trained.seconds,
        "history": trained.history,
    }


def _say(line: str) -> None:
    say(line, sys.stderr)
