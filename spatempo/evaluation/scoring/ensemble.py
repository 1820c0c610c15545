"""Evaluation of an ensemble of networks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spatempo.data.manifest import Manifest
from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.results.fusion import fuse
from spatempo.evaluation.scoring.evaluate import evaluate


def evaluate_ensemble(
    models: Iterable[ClipClassifier], data: Manifest | str | Path, **options: Any
) -> tuple[EvalResult, list[EvalResult]]:
    """Evaluate the mean of the networks' logits with equal weights, as in the published ensembles of TSM and GSM.

    Each network has its own input specification, with its own number of frames and size. For other rules (weights,
    probabilities), apply :func:`~spatempo.evaluation.results.fusion.fuse` to the returned results of the networks.

    Args:
        models: models with the same classes in the same order. An iterator can load them one by one.
        data: labelled videos, the same for all networks.
        **options: arguments of :func:`~spatempo.evaluation.scoring.evaluate.evaluate`, such as `protocol`, used for all
            networks.

    Returns:
        The result of the ensemble, and the result of each network.

    Raises:
        SpatempoError: as :func:`~spatempo.evaluation.scoring.evaluate.evaluate` and
            :func:`~spatempo.evaluation.results.fusion.fuse`.
    """
    members = [evaluate(model, data, **options) for model in models]
    return fuse(*members, on="logits"), members
