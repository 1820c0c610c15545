"""Records of a run per epoch: history, best and last checkpoint, TensorBoard curves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from spatempo.learning.state import report_write_errors, write
from spatempo.models.checkpoint import save_checkpoint
from spatempo.models.video_model import VideoModel

Row = dict[str, Any]
_SCORES = ("val_top1", "val_loss", "val_top5")


class Records:
    """History and best epoch of a run. Every process keeps them; only the process that calls :meth:`open` writes files.

    Args:
        out: folder of the run.
        recipe: resolved recipe, saved in the checkpoints.
        history, best: those of a resumed run.
    """

    def __init__(self, out: Path, recipe: Mapping[str, Any], history: list[Row], best: Row | None) -> None:
        self.out, self.recipe, self.history, self.best = out, recipe, history, best
        self._writer: SummaryWriter | None = None

    def open(self, step: int) -> None:
        """Writes the recipe (a resumed run may have more epochs), and starts the curves after `step`."""
        write(self.out / "recipe.json", json.dumps(self.recipe, indent=2, ensure_ascii=False).encode())
        with report_write_errors(self.out / "logs"):
            self._writer = SummaryWriter(self.out / "logs", purge_step=step + 1 if step else 0)

    def close(self) -> None:
        if self._writer:
            with report_write_errors(self.out / "logs"):
                self._writer.close()

    def add(self, row: Row, model: VideoModel, weights: Mapping[str, Tensor] | None) -> bool:
        """Adds an epoch, and writes its checkpoints and logs.

        The best epoch has the highest validation top-1. Ties are decided by the lowest validation loss, then by the
        earliest epoch. Without validation data the last epoch is the best.

        Args:
            row: new row of :attr:`history`.
            model: model of the checkpoints.
            weights: averaged weights to save instead of those of the model, or None.

        Returns:
            Whether this epoch is the best so far.
        """
        better = row["val_top1"] is None or self.best is None or _rank(row) > _rank(self.best)
        self.history.append(row)
        if better:
            self.best = {key: row[key] for key in ("epoch", *_SCORES)}
        if self._writer:
            metrics = {key.removeprefix("val_"): row[key] for key in _SCORES if row[key] is not None}
            for name in ("last", "best") if better else ("last",):
                folder = self.out / name
                with report_write_errors(folder / "model.safetensors"):
                    save_checkpoint(
                        model,
                        folder,
                        recipe=self.recipe,
                        metrics={**metrics, "epoch": row["epoch"]},
                        state_dict=weights,
                    )
            write(self.out / "logs" / "epochs.csv", _to_csv(self.history).encode())
            names = ("train_loss", "train_top1", "val_loss", "val_top1", "val_top5", "clips_per_s")
            self.curve(row["step"], {f"epoch/{name}": row[name] for name in names if row[name] is not None})
        return better

    def curve(self, step: int, values: Mapping[str, float]) -> None:
        """Adds points to the TensorBoard curves."""
        if self._writer:
            with report_write_errors(self.out / "logs"):
                for name, value in values.items():
                    self._writer.add_scalar(name, value, step)


def _rank(row: Row) -> tuple[float, float]:
    return row["val_top1"], -row["val_loss"]


def _to_csv(rows: list[Row]) -> str:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
