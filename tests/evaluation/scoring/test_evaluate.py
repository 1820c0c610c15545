"""`evaluate`, `predict` and `score_views` on real videos: they agree, and unreadable videos are reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import randomise
from torch import Tensor, nn

from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError, VideoError
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.evaluation.scoring.predict import predict
from spatempo.evaluation.scoring.scores import score_views
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.views import load_views
from spatempo.models.registry import create_model
from spatempo.video.source import open_video
from spatempo.video.writer import write_video

CLASSES = ("blue", "green", "red")
KEYS = {"top1", "top5", "mean_class", "per_class", "confusion", "n", "clips", "crops", "average", "unreadable"}


class Colour(nn.Module):
    """Classifies red, green and blue by the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.preprocess = Preprocess(frames=4, size=16, resize=20, mean=(0, 0, 0), std=(1, 1, 1))
        self.classes = list(CLASSES)
        self.batches: list[int] = []

    def forward(self, clip: Tensor) -> Tensor:
        assert not self.training
        self.batches.append(len(clip))
        return clip.mean((2, 3, 4)).flip(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five files: four noise videos with a colour cast (the third is blue with the label red), and one invalid file."""
    root = tmp_path_factory.mktemp("vidéos of colours")
    rng = np.random.default_rng(0)
    rows = ["path,label"]
    for i, (channel, label) in enumerate([(0, "red"), (1, "green"), (2, "red"), (None, "blue"), (2, "blue")]):
        name = f"{i}.mp4"
        if channel is None:
            (root / name).write_text("not a video")
        else:
            frames = rng.integers(0, 90, (12, 24, 32, 3), dtype=np.uint8)
            frames[..., channel] += 120
            write_video(root / name, frames, fps=10)
        rows.append(f"{name},{label}")
    (root / "test.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def tsm() -> nn.Module:
    """A real network that uses the order of frames."""
    model = create_model("tsm_resnet18", num_classes=3, frames=4, size=32)
    randomise(model, size=32)
    model.classes = list(CLASSES)
    return model


def test_metrics_and_unreadable_videos(folder: Path) -> None:
    result = evaluate(Colour(), folder / "test.csv")
    assert (result.n, result.clips, result.crops) == (4, 1, 1)
    assert result.top1 == pytest.approx(3 / 4)
    assert result.per_class == {"blue": 1.0, "green": 1.0, "red": 0.5}
    assert result.confusion == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert result.indices.tolist() == [0, 1, 2, 4]
    assert [Path(p).name for p in result.paths] == ["0.mp4", "1.mp4", "2.mp4", "4.mp4"]
    (unreadable,) = result.unreadable
    assert Path(unreadable["path"]).name == "3.mp4"
    assert unreadable["reason"]
    document = result.to_json()
    assert set(document) == KEYS
    assert json.loads(json.dumps(document)) == document


def test_workers_batch_size_and_mode_do_not_change_scores(folder: Path, tsm: nn.Module) -> None:
    reference = evaluate(tsm, folder / "test.csv", batch_size=1)
    tsm.train()
    try:
        other = evaluate(tsm, folder / "test.csv", batch_size=3, workers=1, progress=True, device="cpu")
        assert all(m.training for m in tsm.modules())
    finally:
        tsm.eval()
    np.testing.assert_allclose(other.scores, reference.scores, rtol=1e-4, atol=1e-5)
    assert other.indices.tolist() == reference.indices.tolist()
    assert other.unreadable == reference.unreadable


@pytest.mark.parametrize("batch_size", [1, 4, 13])
def test_batch_size_limits_the_views_per_call(folder: Path, batch_size: int) -> None:
    model = Colour()
    result = evaluate(model, folder / "test.csv", clips=2, crops=3, batch_size=batch_size)
    assert (result.clips, result.crops, result.top1) == (2, 3, 0.75)
    assert max(model.batches) <= batch_size
    assert sum(model.batches) == 4 * 6


@pytest.mark.parametrize(
    "views", [{}, {"clips": 3}, {"clips": 2, "crops": 3}, {"protocol": "something-accurate"}, {"protocol": "r2plus1d"}]
)
def test_evaluate_predict_and_score_views_agree(folder: Path, tsm: nn.Module, views: dict) -> None:
    result = evaluate(tsm, folder / "test.csv", batch_size=1, **views)
    video = folder / "1.mp4"
    predicted = {p["label"]: p["score"] for p in predict(tsm, video, **views)}
    expected = torch.tensor(result.scores[1]).softmax(0)
    assert [predicted[name] for name in CLASSES] == pytest.approx(expected.tolist(), rel=1e-4)
    assert list(predicted.values()) == sorted(predicted.values(), reverse=True)
    assert result.average == ("softmax" if views.get("protocol") == "r2plus1d" else "logits")
    if "protocol" not in views:
        with open_video(str(video)) as source, torch.inference_mode():
            clip = load_views(source, tsm.preprocess, views.get("clips", 1), views.get("crops", 1))  # type: ignore[arg-type]
            torch.testing.assert_close(
                score_views(tsm, clip[None])[0], torch.tensor(result.scores[1]), rtol=1e-4, atol=1e-5
            )


def test_scores_depend_on_the_order_of_frames(folder: Path, tsm: nn.Module) -> None:
    with open_video(str(folder / "1.mp4")) as source, torch.inference_mode():
        clip = load_views(source, tsm.preprocess)  # type: ignore[arg-type]
        assert (score_views(tsm, clip[None]) - score_views(tsm, clip.flip(2)[None])).abs().max() > 1e-2


def test_predict_accepts_frames(folder: Path) -> None:
    with open_video(str(folder / "0.mp4")) as source:
        frames = source.read(range(source.frames))
    model = Colour()
    model.preprocess = Preprocess(
        frames=4, size=24, resize=24, mean=(0, 0, 0), std=(1, 1, 1)
    )  # no resize, so scores are equal
    from_file = predict(model, folder / "0.mp4", clips=2)
    for given in (frames, torch.from_numpy(frames)):
        assert predict(model, given, clips=2) == from_file
    assert from_file[0]["label"] == "red"
    assert sum(p["score"] for p in from_file) == pytest.approx(1)
    assert len(predict(model, frames, top=2)) == 2
    assert len(predict(model, frames, top=100)) == 3
    model.classes = None  # type: ignore[assignment]
    assert predict(model, frames)[0]["label"] == "2"


def test_predict_does_not_change_the_model(folder: Path, tsm: nn.Module) -> None:
    tsm.train()
    try:
        before = {k: v.clone() for k, v in tsm.state_dict().items()}
        first = predict(tsm, folder / "0.mp4")
        assert tsm.training
        assert predict(tsm, folder / "0.mp4") == first  # dropout is off
        assert all(
            torch.equal(v, before[k]) for k, v in tsm.state_dict().items()
        )  # batch norm statistics are unchanged
    finally:
        tsm.eval()


def test_predict_rejects_invalid_input(folder: Path) -> None:
    with pytest.raises(VideoError, match=r"3\.mp4"):
        predict(Colour(), folder / "3.mp4")
    with pytest.raises(SpatempoError, match="`top=0`"):
        predict(Colour(), folder / "0.mp4", top=0)
    with pytest.raises(SpatempoError, match="uint8"):
        predict(Colour(), torch.zeros(3, 8, 8, 3))


def test_predict_accepts_a_list(folder: Path) -> None:
    model = Colour()
    paths = [folder / f"{k}.mp4" for k in range(3)]
    each = [predict(model, path) for path in paths]
    assert each[0] != each[1]
    assert predict(model, paths) == predict(model, tuple(map(str, paths))) == each
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    assert predict(model, [frames, paths[0]], top=1) == [predict(model, frames, top=1), each[0][:1]]
    assert predict(model, []) == []
    with pytest.raises(VideoError, match=r"/3\.mp4: "):  # the name of the unreadable video
        predict(model, [*paths, folder / "3.mp4"])


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (None, "got NoneType"),
        (7, "got int"),
        ({"a": 1}, "got dict"),
        (np.zeros((0, 8, 8, 3), np.uint8), "at least one frame"),
        (np.zeros((4, 8, 8, 3)), "give uint8"),
        (torch.zeros(1, 3, 4, 8, 8), "give uint8"),
    ],
)
def test_predict_rejects_invalid_videos(video: object, message: str) -> None:
    with pytest.raises(SpatempoError, match=message):
        predict(Colour(), video)  # type: ignore[arg-type]
    with pytest.raises(SpatempoError, match=message):
        predict(Colour(), [video])  # type: ignore[list-item]


def test_path_instead_of_a_model_is_rejected(folder: Path) -> None:
    with pytest.raises(SpatempoError, match=r"'runs/x' is a path, not a model: load it first, spatempo\.load"):
        predict("runs/x", folder / "0.mp4")  # type: ignore[arg-type]


def test_evaluate_rejects_invalid_input(folder: Path) -> None:
    model = Colour()
    manifest = load_manifest(folder / "test.csv")
    with pytest.raises(SpatempoError, match=r"1 of 1 cannot be read.*3\.mp4"):
        evaluate(model, manifest.subset([3]))
    with pytest.raises(SpatempoError, match="at least one"):
        evaluate(model, manifest.subset([]))
    with pytest.raises(SpatempoError, match="`batch_size=0`"):
        evaluate(model, manifest, batch_size=0)
    model.classes = ["red", "green", "blue"]  # the same names in another order
    with pytest.raises(SpatempoError, match=r"load_manifest\(source, classes=model\.classes\)"):
        evaluate(model, manifest)
    assert evaluate(Colour(), load_manifest(folder / "test.csv", classes=CLASSES)).top1 == 0.75
