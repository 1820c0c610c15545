"""Scores computed from views and metrics computed from scores, against hand-computed values."""

from __future__ import annotations

import math
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import measure
from spatempo.evaluation.running import eval_mode
from spatempo.evaluation.scoring.scores import Scores, score_views


class Means(nn.Module):
    """Logits are the means of the colour channels; records its input."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Tensor] = []

    def forward(self, clip: Tensor) -> Tensor:
        self.calls.append(clip)
        return clip.mean((2, 3, 4))


def one_pixel(*views: tuple[float, float]) -> Tensor:
    """A video of 1-pixel views with the given first two channels: ``[1, V, 3, 1, 1, 1]``."""
    return torch.tensor([[*view, 0.0] for view in views])[None, :, :, None, None, None]


def test_logits_of_views_are_averaged() -> None:
    # Logits (9, 0), (0, 4), (0, 4). Their mean (3, 8/3) prefers class 0. The mean of their softmaxes prefers class 1,
    # because there the confident view has no more influence than the others.
    clip = one_pixel((9, 0), (0, 4), (0, 4))
    scores = score_views(Means(), clip)
    torch.testing.assert_close(scores, torch.tensor([[3.0, 8 / 3, 0.0]]))
    assert clip[0, :, :, 0, 0, 0].softmax(1).mean(0).argmax() == 1


def test_probabilities_of_views_are_averaged_with_softmax() -> None:
    # Two classes (a third at -1000): the probabilities of class 0 are 3/4, 1/4 and 1/10; the mean is 11/30.
    odds = [(math.log(3), 0), (0, math.log(3)), (0, math.log(9))]
    clip = one_pixel(*odds)
    clip[:, :, 2] = -1000
    probabilities = score_views(Means(), clip, average="softmax").softmax(1)
    torch.testing.assert_close(probabilities, torch.tensor([[11 / 30, 19 / 30, 0.0]]))
    mean = score_views(Means(), clip).softmax(1)[0]
    assert mean[0] / mean[1] == pytest.approx(1 / 9 ** (1 / 3))  # mean of logits: (log 3 - log 3 - log 9) / 3
    extreme = one_pixel((900, -900), (900, -900))
    assert score_views(Means(), extreme, average="softmax").isfinite().all()


def test_views_are_averaged_per_video() -> None:
    clip = torch.randn(3, 4, 3, 2, 5, 5)
    expected = clip.mean((1, 3, 4, 5))
    torch.testing.assert_close(score_views(Means(), clip), expected)
    torch.testing.assert_close(score_views(Means(), clip[:, 0]), clip[:, 0].mean((2, 3, 4)))
    with pytest.raises(ValueError, match="expected"):
        score_views(Means(), clip[0, 0])


@pytest.mark.parametrize("chunk", [1, 5, 12, 100])
def test_chunk_limits_the_batch_and_does_not_change_scores(chunk: int) -> None:
    clip = torch.randn(3, 4, 3, 2, 5, 5)
    model = Means()
    torch.testing.assert_close(score_views(model, clip, chunk=chunk), score_views(Means(), clip))
    sizes = [len(call) for call in model.calls]
    assert max(sizes) <= chunk
    assert sum(sizes) == 12


def test_memory_format_of_views_is_preserved() -> None:
    clip = torch.randn(2, 3, 2, 5, 5, 3).permute(0, 1, 5, 2, 3, 4)  # [B, V, 3, T, H, W] as [B, V, T, H, W, 3]
    model = Means()
    score_views(model, clip, chunk=4)
    assert all(call.is_contiguous(memory_format=torch.channels_last_3d) for call in model.calls)
    assert model.calls[0].data_ptr() == clip.data_ptr()  # no copy


def test_half_precision_models_give_float32_scores() -> None:
    assert score_views(Means(), torch.randn(1, 2, 3, 1, 2, 2).half()).dtype == torch.float32


def test_eval_mode_restores_the_mode_of_each_module() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
    model.train()
    model[0].eval()  # partial batch norm
    before = [m.training for m in model.modules()]
    with suppress(KeyError), eval_mode(model):
        assert not any(m.training for m in model.modules())
        raise KeyError  # the modes are restored after an error too
    assert [m.training for m in model.modules()] == before
    assert True in before
    assert False in before


def test_each_video_is_counted_once() -> None:
    scores = Scores(2)
    scores.add(torch.tensor([3, 0]), torch.tensor([1, 0]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    scores.add(torch.tensor([3]), torch.tensor([1]), torch.tensor([[0.0, 1.0]]))  # repeated by a sampler
    result = scores.result(["a", "b"], paths=["p0", "p1", "p2", "p3"])
    assert (len(scores), result.n, result.top1) == (2, 2, 0.5)  # with the repetition it would be 2/3
    assert result.indices.tolist() == [0, 3]
    assert result.labels.tolist() == [0, 1]
    assert result.paths == ["p0", "p3"]
    assert result.confusion == [[0, 1], [0, 1]]


def test_scores_are_copied() -> None:
    """References to the batches would keep the batches in memory and fragment it."""
    scores, batch = Scores(2), torch.tensor([[0.0, 1.0], [3.0, 2.0]])
    scores.add(torch.tensor([4, 1]), torch.tensor([0, 1]), batch)
    batch.zero_()
    scores.add(torch.tensor([2]), torch.tensor([1]), batch[:1] + 5)
    result = scores.result()
    assert result.scores.tolist() == [[3, 2], [5, 5], [0, 1]]
    assert result.scores.dtype == "float32"
    assert (result.indices.tolist(), result.labels.tolist()) == ([1, 2, 4], [1, 1, 0])
    result.scores[:] = 0
    assert scores.result().scores.tolist() == [[3, 2], [5, 5], [0, 1]]


def test_unreadable_videos_are_listed_once() -> None:
    batch = {
        "index": torch.tensor([0]),
        "label": torch.tensor([1]),
        "unreadable": [{"path": "a: b.mp4", "reason": "no video stream", "index": 1}],
    }
    scores = Scores(2)
    scores.add_batch(batch, torch.tensor([[0.0, 1.0]]))
    scores.add_batch(batch, torch.tensor([[0.0, 1.0]]))
    result = scores.result()
    assert result.unreadable == [{"path": "a: b.mp4", "reason": "no video stream"}]
    assert (result.n, result.classes) == (1, ("0", "1"))


def test_invalid_labels_and_scores_are_rejected() -> None:
    scores = Scores(2)
    with pytest.raises(SpatempoError, match="no video to evaluate"):
        scores.result()
    with pytest.raises(SpatempoError, match="label 2 but the model has 2 classes"):
        scores.add(torch.tensor([0]), torch.tensor([2]), torch.zeros(1, 2))
    with pytest.raises(SpatempoError, match=r"\[1, 3\].*2 classes"):
        scores.add(torch.tensor([0]), torch.tensor([0]), torch.zeros(1, 3))
    scores.add(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([[0.0, 1.0], [math.nan, 0.0]]))
    with pytest.raises(SpatempoError, match="1 of 2 videos are not finite"):
        scores.result()
    scores = Scores(2)
    scores.add_batch({"unreadable": [{"path": "x.mp4", "reason": "empty", "index": 0}]}, None)
    with pytest.raises(SpatempoError, match=r"x\.mp4: empty"):
        scores.result()


def one_hot(*predictions: int, classes: int) -> Tensor:
    return nn.functional.one_hot(torch.tensor(predictions), classes).float()


def test_metrics_against_hand_computed_values() -> None:
    # truth a a a b b c: 2 of 3, 1 of 2, 0 of 1 correct
    result = measure(one_hot(0, 0, 1, 1, 0, 0, classes=4), torch.tensor([0, 0, 0, 1, 1, 2]), ["a", "b", "c", "d"])
    assert result.top1 == pytest.approx(3 / 6)
    assert result.per_class == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 2), "c": 0.0, "d": None}
    assert result.mean_class == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert result.confusion == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert result.top5 == 1.0  # there are only four classes
    assert result.predictions.tolist() == [0, 0, 1, 1, 0, 0]


def test_class_without_videos_has_no_accuracy_even_if_it_was_predicted() -> None:
    result = measure(one_hot(0, 1, classes=2), torch.tensor([0, 0]), ["a", "never"])
    assert result.per_class == {"a": 0.5, "never": None}
    assert result.mean_class == 0.5


def test_top5_against_hand_computed_values() -> None:
    scores = torch.arange(7.0).repeat(3, 1)  # the best five are 6 5 4 3 2
    result = measure(scores, torch.tensor([6, 2, 1]), [str(k) for k in range(7)])
    assert result.top5 == pytest.approx(2 / 3)
    assert result.top1 == pytest.approx(1 / 3)


def test_accuracy_with_one_class_is_one() -> None:
    result = measure(torch.zeros(2, 1), torch.tensor([0, 0]), ["only"])
    assert (result.top1, result.top5, result.mean_class, result.confusion) == (1.0, 1.0, 1.0, [[2]])


def test_number_of_class_names_and_duplicates_are_checked() -> None:
    with pytest.raises(SpatempoError, match="2 class names for a model with 3"):
        measure(torch.zeros(1, 3), torch.tensor([0]), ["a", "b"])
    with pytest.raises(SpatempoError, match="'a' occurs twice"):
        measure(torch.zeros(1, 3), torch.tensor([0]), ["a", "b", "a"])


def _one_process(rank: int, folder: str) -> None:
    """One of two processes with overlapping subsets of five videos."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        own = [torch.tensor([0, 2, 4]), torch.tensor([1, 0])][rank]  # 0 is repeated as padding
        scores = Scores(3)
        unreadable = [{"path": "v3", "reason": "broken", "index": 3}] if rank else []
        batch = {"index": own, "label": own % 3, "unreadable": unreadable}
        scores.add_batch(batch, one_hot(*[0] * len(own), classes=3))
        Path(folder, f"{rank}.pickle").write_bytes(pickle.dumps(scores.gather()))
    finally:
        dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="this torch has no gloo")
def test_results_of_two_processes_are_combined(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_one_process, (str(tmp_path),), nprocs=2)  # type: ignore[attr-defined]
    for rank in range(2):  # both have the complete result
        result = pickle.loads((tmp_path / f"{rank}.pickle").read_bytes()).result()
        assert result.indices.tolist() == [0, 1, 2, 4]
        assert result.labels.tolist() == [0, 1, 2, 1]
        assert result.top1 == 0.25
        assert result.unreadable == [{"path": "v3", "reason": "broken"}]
