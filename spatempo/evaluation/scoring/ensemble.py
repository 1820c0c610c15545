"""Several networks tested as one."""

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
    models: Iterable[ClipClassifier], data: Manifest | str | Path, **how: Any
) -> tuple[EvalResult, list[EvalResult]]:
    """The mean of the networks' scores, as TSM and GSM publish ensembles: of logits, each network counting alike.

    Each network is fed as it wants to be, with its own number of frames and size. Other rules (weights, probabilities)
    are :func:`~spatempo.evaluation.results.fusion.fuse` of the results that come back.

    Args:
        models: of the same classes in the same order. An iterator may load each when its turn comes.
        data: the same videos for all.
        **how: as :func:`~spatempo.evaluation.scoring.evaluate.evaluate` takes it; a protocol, or clips and crops, for
            all.

    Returns:
        The result of the ensemble, and each network's own.

    Raises:
        SpatempoError: what :func:`~spatempo.evaluation.scoring.evaluate.evaluate` and
            :func:`~spatempo.evaluation.results.fusion.fuse` refuse.
    """
    members = [evaluate(model, data, **how) for model in models]
    return fuse(*members, on="logits"), members
