"""One run of a comparison: a design with a seed, trained and tested. Its result is kept in a file.

``OUT/<run>/`` is the folder of the training. ``OUT/<run>.json`` next to it contains the ``settings`` of the run and,
after the test, its ``result``. A comparison that is started again reads the result from this file, or continues an
interrupted training.
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
from spatempo.terminal import print_line

# arguments of train() that change the speed or place of a computation, but not its result
_NO_EFFECT_ON_RESULT = ("workers", "cache", "quiet", "save_every", "save_minutes", "start_method", "callbacks")
_LEFTOVERS = {"recipe.json", "logs", "cache", "resume"}  # of a training that was interrupted before its first state


@dataclass(frozen=True)
class Run:
    """A design with a seed, and the folder of its training.

    Attributes:
        folder: folder of the training.
        model: model name.
        options: options of the design.
        seed: random seed (initial weights, data order, augmentation).
        budget: training budget.
        protocol: test protocol; None: one centre view.
        device: device used for training and testing.
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
        """Path of the JSON file with settings and result."""
        return self.folder.with_name(self.folder.name + ".json")

    def result(self, parts: Parts) -> dict[str, Any]:
        """Trains and tests, or reads the result of an earlier call.

        Returns:
            ``checkpoint, epochs, seconds, history, top1, top5, mean_class, per_class, confusion, n, clips, crops,
            unreadable``; ``shuffled`` (top-1 accuracy with the frames shuffled, mean of a few permutations; None for a
            model of one frame); for every video ``labels`` and ``answers`` (class numbers) and ``indices`` (in the test
            data); ``families`` and ``pairs`` if the test data define them. JSON types.

        Raises:
            SpatempoError: the folder contains a run with other settings, or training or testing fails.
        """
        record = self._load_record(parts)
        found = record.get("result")
        if found:
            _say(f"{self.model}, seed {self.seed}: result read from {self.file}")
            found["checkpoint"] = str(self.folder / "best")  # the folder may have moved
            if "shuffled" not in found:  # written by an earlier version
                found["shuffled"] = self._evaluate(parts, found["checkpoint"])[1]
                self._save_record(record)
            return found
        if "epochs" not in record:
            record["epochs"] = self.epochs(parts)
            self._save_record(record)
        trained = self._train(parts, record["epochs"])
        record["result"] = {**_training_fields(trained), **self._test(parts, trained)}
        self._save_record(record)
        return record["result"]

    def _load_record(self, parts: Parts) -> dict[str, Any]:
        """Content of the file, or a new record with the settings only."""
        settings = self.identity(parts)
        try:
            record = json.loads(self.file.read_text(encoding="utf-8"))
            changed = differences(record["settings"], settings)
        except FileNotFoundError:
            return {"settings": settings}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SpatempoError(
                f"{self.file}: is damaged; delete it and {self.folder}, or choose another output folder"
            ) from None
        if changed:
            raise SpatempoError(
                f"{self.file}: was created with different settings ({'; '.join(changed[:3])}); "
                f"delete it and {self.folder}, or choose another output folder"
            )
        return record

    def identity(self, parts: Parts) -> dict[str, Any]:
        """All settings that influence the result, as JSON types."""
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
            **{key: value for key, value in self.settings.items() if key not in _NO_EFFECT_ON_RESULT},
            "weights": None if weights is None else str(weights),
        }
        return json.loads(json.dumps(identity))

    def epochs(self, parts: Parts) -> int:
        """Number of passes that the budget pays for; a budget in minutes is measured with one discarded pass."""
        if self.budget.epochs is not None:
            return self.budget.epochs
        if self.budget.macs is not None:
            recipe = self.recipe(parts)
            facts = describe(
                self.model,
                frames=recipe.frames,
                size=recipe.size,
                num_classes=len(parts.train.classes),
                **self.options,
            )
            return self.budget.epochs_at(facts.macs * len(parts.train))
        _say(f"{self.model}: one discarded pass to measure how many passes {self.budget} pays for")
        return self.budget.epochs_at(self.trial(parts, 1).seconds)

    def recipe(self, parts: Parts) -> Recipe:
        """Recipe of the training with all defaults filled in; a size of None means the default of the design."""
        weights = self.settings.get("weights") is not None
        fields = {field.name for field in dataclasses.fields(Recipe)} & set(self.settings)
        requested = make_recipe(
            self.settings.get("recipe"), weights=weights, **{field: self.settings[field] for field in fields}
        )
        reads = frames_read(self.model, self.options)
        short_side = None if requested.size else median_short_side(parts.train, reads=reads)
        train = parts.train
        return resolve(requested, clips=len(train), classes=train.classes, short_side=short_side, weights=weights)

    def trial(self, parts: Parts, epochs: int) -> TrainResult:
        """Trains in a temporary folder, which is removed afterwards."""
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
        # one device for every design: equal conditions, and no group of processes to coordinate
        settings = {"devices": 1, **self.settings}
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
            **settings,
        )

    def _test(self, parts: Parts, trained: TrainResult) -> dict[str, Any]:
        result, shuffled = self._evaluate(parts, trained.checkpoint)
        found = {
            **result.to_json(),
            "shuffled": shuffled,
            "labels": result.labels.tolist(),
            "answers": result.predictions.tolist(),
            "indices": result.indices.tolist(),
        }
        if any(sample.family for sample in parts.test.samples):
            found |= families(result, parts.test).to_json()
        return found

    def _evaluate(self, parts: Parts, checkpoint: str) -> tuple[EvalResult, float | None]:
        """Test result, and top-1 accuracy with the frames shuffled."""
        workers = self.settings.get("workers")
        result, shuffled = evaluate_shuffled(
            load(checkpoint, device=pick_device(self.device)),
            parts.test,
            protocol=self.protocol,
            workers=default_workers() if workers is None else workers,
            progress="" if self.settings.get("quiet") else "test",
        )
        return result, mean(shuffled) if shuffled else None

    def _save_record(self, record: Mapping[str, Any]) -> None:
        write(self.file, json.dumps(record, indent=1).encode())


def run_folder(out: str | Path, short: str, seed: int) -> Path:
    """Folder of the run of a design with a seed: ``OUT/tsm``, ``OUT/tsm-seed1``, ..."""
    name = re.sub(r"[^\w.+-]", "-", short)  # characters that every file system accepts
    return Path(out) / (name if seed == 0 else f"{name}-seed{seed}")


def _training_fields(trained: TrainResult) -> dict[str, Any]:
    return {
        "checkpoint": trained.checkpoint,
        "epochs": trained.epochs,
        "seconds": trained.seconds,
        "history": trained.history,
    }


def _say(line: str) -> None:
    print_line(line, sys.stderr)
