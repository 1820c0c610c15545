"""`Predictor`: decoding and scoring as separate steps, and several threads with one model."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import randomise

import spatempo
from spatempo.errors import SpatempoError, VideoError
from spatempo.evaluation import running
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.evaluation.scoring.predictor import Predictor
from spatempo.models.registry import create_model
from spatempo.video.writer import write_video

CLASSES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos of noise with 6 to 16 frames, and a file that is not a video."""
    root = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    rows = ["path,label"]
    for i in range(6):
        write_video(root / f"{i}.mp4", rng.integers(0, 255, (6 + 2 * i, 40, 48, 3), dtype=np.uint8), fps=10)
        rows.append(f"{i}.mp4,{CLASSES[i % 3]}")
    (root / "test.csv").write_text("\n".join(rows))
    (root / "broken.mp4").write_text("not a video")
    return root


def network():
    model = randomise(create_model("tsm_smallresnet", num_classes=3, frames=4, size=32), size=32)
    model.classes = list(CLASSES)
    return model.train()


def test_predictor_agrees_with_predict_and_evaluate(folder):
    model = network()
    predictor = Predictor(model, clips=2, crops=3)
    result = evaluate(model, folder / "test.csv", clips=2, crops=3)
    for i in range(6):
        views = predictor.decode(folder / f"{i}.mp4")
        assert (views.shape, views.dtype) == ((6, 3, 4, 32, 32), torch.float32)
        scores = predictor.score(views)
        torch.testing.assert_close(scores, torch.from_numpy(result.scores[i]).softmax(0))
        labels = predictor(folder / f"{i}.mp4", top=2)
        assert labels == spatempo.predict(model, folder / f"{i}.mp4", top=2, clips=2, crops=3)
        best = scores.topk(2)
        assert labels == [
            {"label": CLASSES[k], "score": s} for k, s in zip(best.indices, best.values.tolist(), strict=True)
        ]
    assert model.training


def test_several_videos_are_scored_in_one_call(folder):
    predictor = Predictor(network(), "kinetics-10x3-softmax")
    each = [predictor.decode(folder / f"{i}.mp4") for i in range(3)]
    together = predictor.score(torch.stack(each))
    assert together.shape == (3, 3)
    torch.testing.assert_close(together, torch.stack([predictor.score(views) for views in each]))
    torch.testing.assert_close(predictor.score(each[0].numpy()), together[0])
    torch.testing.assert_close(together.sum(1), torch.ones(3))


def test_four_threads_give_the_results_of_one(folder):
    model = network()
    predictor = Predictor(model, clips=2)
    videos = [folder / f"{i % 6}.mp4" for i in range(24)]
    expected = [predictor(video, top=3) for video in videos]
    assert len({str(labels) for labels in expected}) == 6
    start = threading.Barrier(4)

    def work(part: int) -> list[list[dict]]:
        start.wait(30)
        return [predictor(video, top=3) for video in videos[part::4]]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(work, range(4)))
    assert [found[i % 4][i // 4] for i in range(24)] == expected
    assert model.training  # the mode is restored although the threads overlap


def test_errors_in_one_thread_do_not_affect_the_others(folder):
    model = network()
    predictors = [Predictor(model), Predictor(model)]  # they share the lock of the model
    expected = predictors[0](folder / "1.mp4")
    start = threading.Barrier(4)

    def work(part: int) -> list[object]:
        start.wait(30)
        outcomes: list[object] = []
        for _ in range(6):
            predictor = predictors[part % 2]
            try:
                if part == 0:
                    predictor(folder / "broken.mp4")
                elif part == 1:  # scores are not finite
                    predictor.score(torch.full((1, 3, 4, 32, 32), torch.nan))
                outcomes.append(predictor(folder / "1.mp4"))
            except SpatempoError as error:
                outcomes.append(type(error))
        return outcomes

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(work, range(4)))
    assert found == [[VideoError] * 6, [SpatempoError] * 6, [expected] * 6, [expected] * 6]


def test_decoding_runs_while_another_thread_scores(folder):
    model = network()
    predictor = Predictor(model)
    scoring, done = threading.Event(), threading.Event()

    def wait(module, args):
        scoring.set()
        assert done.wait(60), "decoding waited for the model"

    views = predictor.decode(folder / "0.mp4")
    handle = model.register_forward_pre_hook(wait)
    with ThreadPoolExecutor(1) as thread:
        scores = thread.submit(predictor.score, views)
        assert scoring.wait(60)
        assert predictor.decode(folder / "1.mp4").shape == views.shape
        done.set()
        assert scores.result().shape == (3,)
    handle.remove()


def test_lock_is_deleted_with_its_model():
    gc.collect()
    before = len(running._locks)
    model = network()
    assert Predictor(model)._lock is Predictor(model)._lock is not Predictor(network())._lock
    del model
    gc.collect()
    assert len(running._locks) == before


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (torch.zeros(1, 3, 4, 32, 32, dtype=torch.uint8), r"torch.uint8 \[1, 3, 4, 32, 32\]"),
        (torch.zeros(3, 4, 32, 32), r"torch.float32 \[3, 4, 32, 32\]"),
        (torch.zeros(1, 2, 4, 32, 32), r"\[1, 2, 4, 32, 32\]"),
        (torch.zeros(0, 3, 4, 32, 32), r"\[0, 3, 4, 32, 32\]"),
    ],
)
def test_invalid_views_are_rejected(views, message):
    with pytest.raises(SpatempoError, match=f"views are .*{message}; give the output of decode"):
        Predictor(network()).score(views)


def test_invalid_arguments_are_rejected(folder):
    model = network()
    with pytest.raises(SpatempoError, match="`top=0`"):
        Predictor(model)(folder / "0.mp4", top=0)
    with pytest.raises(SpatempoError, match="either the protocol or clips and crops"):
        Predictor(model, "tsn", clips=2)
    with pytest.raises(SpatempoError, match="is a path, not a model"):
        Predictor("runs/x")  # type: ignore[arg-type]
    with pytest.raises(SpatempoError, match="a video must be a path, an address or uint8 frames"):
        Predictor(model).decode([folder / "0.mp4"])  # type: ignore[arg-type]
