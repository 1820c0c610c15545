"""Ensembles: each network has its own input specification, and the result equals the fusion of saved scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import randomise
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.fusion import fuse
from spatempo.evaluation.results.score_files import read_scores, save_scores
from spatempo.evaluation.scoring.ensemble import evaluate_ensemble
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.models.registry import create_model
from spatempo.video.writer import write_video

CLASSES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files: videos of noise with 5 to 10 frames; the third file is not a video."""
    root, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    for i in range(6):
        write_video(root / f"{i}.mp4", rng.integers(0, 256, (5 + i, 40, 48, 3), dtype=np.uint8), fps=10)
    (root / "2.mp4").write_text("not a video")
    rows = [f"{i}.mp4,{CLASSES[i % 3]}" for i in range(6)]
    (root / "test.csv").write_text("\n".join(["path,label", *rows]))
    return root / "test.csv"


@pytest.fixture(scope="module")
def networks() -> list[nn.Module]:
    """Networks with 4, 8 and 3 frames of 32, 40 and 24 pixels."""
    made = []
    for seed, (name, frames, size) in enumerate((("tsm", 4, 32), ("tsm", 8, 40), ("tsn", 3, 24))):
        model = randomise(create_model(f"{name}_resnet18", num_classes=3, frames=frames, size=size), seed, size=size)
        model.classes = list(CLASSES)
        made.append(model)
    return made


@pytest.mark.parametrize("options", [{}, {"clips": 2, "crops": 3}, {"protocol": "r2plus1d"}])
def test_ensemble_is_the_mean_of_the_logits_of_each_network(table, networks, options) -> None:
    result, members = evaluate_ensemble(iter(networks), table, **options)
    single = [evaluate(model, table, **options) for model in networks]
    for member, own in zip(members, single, strict=True):
        assert np.array_equal(member.scores, own.scores)
    mean = np.mean([own.scores.astype(np.float64) for own in single], axis=0)
    np.testing.assert_allclose(result.scores, mean, rtol=1e-6, atol=1e-6)
    assert np.ptp([own.scores for own in single], axis=0).min() > 1e-3  # the scores of the networks differ
    assert result.top1 == (mean.argmax(1) == result.labels).mean()
    assert (result.n, result.clips, result.crops) == (5, single[0].clips, single[0].crops)
    assert result.average == single[0].average
    assert [Path(row["path"]).name for row in result.unreadable] == ["2.mp4"]


def test_ensemble_equals_the_fusion_of_saved_scores(table, networks, tmp_path) -> None:
    pytest.importorskip("pyarrow")
    result, _ = evaluate_ensemble(networks, table, clips=3)
    files = [
        save_scores(evaluate(model, table, clips=3), tmp_path / f"{i}.parquet") for i, model in enumerate(networks)
    ]
    fused = fuse(*map(read_scores, files), on="logits")
    assert np.array_equal(result.scores, fused.scores)
    assert result.to_json() == fused.to_json()
    assert (result.paths, result.indices.tolist()) == (fused.paths, fused.indices.tolist())


def test_networks_with_different_classes_are_rejected(table, networks) -> None:
    other = create_model("tsn_resnet18", num_classes=3, frames=2, size=24)
    other.classes = ["a", "b", "d"]
    with pytest.raises(SpatempoError, match="class") as error:
        evaluate_ensemble([networks[0], other], table)
    assert "\n" not in str(error.value)
