"""Training runs: files written, agreement of the numbers with `test`, and errors."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import COLOURS, TINY, largest_file

from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.learning.devices import find_device_setup
from spatempo.learning.state import load_state
from spatempo.learning.train import train
from spatempo.learning.unreadable import Unreadable
from spatempo.models.checkpoint import load
from spatempo.models.registry import create_model


def run(clips: Path, out: Path, **settings: Any) -> Any:
    settings = {**TINY, "val": clips / "val.csv", **settings}
    return train(clips / "train.csv", out=out, **settings)


@pytest.fixture(scope="module")
def trained(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("run")
    return out, run(clips, out, epochs=4, ema=0.5, lr=5e-3)


def test_training_learns(trained: tuple[Path, Any]) -> None:
    _, result = trained
    assert result.top1 > 0.6  # three colours: chance level is 1/3
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert (result.epochs, result.top5, len(result.history)) == (4, 1.0, 4)


def test_files_of_a_run(trained: tuple[Path, Any]) -> None:
    out, result = trained
    assert result.checkpoint == str(out / "best")
    assert {p.name for p in out.iterdir()} == {"best", "last", "logs", "recipe.json", "resume"}
    recipe = json.loads((out / "recipe.json").read_text())
    assert (recipe["name"], recipe["lr"], recipe["size"], recipe["precision"]) == ("scratch", 5e-3, 16, "32")
    assert load(out / "best").clip_seconds == 0.6  # 6 frames at 10 frames per second
    assert recipe == load(out / "last").recipe == load_state(out / "resume" / "state.pt")["identity"]["recipe"]
    rows = (out / "logs" / "epochs.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,step,lr,train_loss,train_top1,val_loss,val_top1")
    assert len(rows) == 5
    assert list((out / "logs").glob("events.out.tfevents.*"))


def test_validation_agrees_with_test(clips: Path, trained: tuple[Path, Any]) -> None:
    out, result = trained
    for name in ("best", "last"):
        model = load(out / name)
        assert tuple(model.classes or ()) == tuple(sorted(COLOURS))
        found = evaluate(model, clips / "val.csv")
        row = result.history[-1]
        if name == "best":
            top1 = max(r["val_top1"] for r in result.history)
            row = min((r for r in result.history if r["val_top1"] == top1), key=lambda r: r["val_loss"])
            assert (result.top1, result.top5) == (row["val_top1"], row["val_top5"])
            assert model.metrics["epoch"] == row["epoch"]
        assert (found.top1, found.top5) == (row["val_top1"], row["val_top5"])
        scores, labels = torch.from_numpy(found.scores), torch.from_numpy(found.labels)
        assert torch.nn.functional.cross_entropy(scores, labels).item() == pytest.approx(row["val_loss"], rel=1e-5)


def test_averaged_weights_are_saved(trained: tuple[Path, Any]) -> None:
    out, _ = trained
    state = load_state(out / "resume" / "state.pt")
    saved = load_file(out / "last" / "model.safetensors")
    key = "head.fc.weight"
    assert torch.equal(saved[key], state["ema"]["average"][key])
    assert not torch.equal(saved[key], state["model"][key])


def test_without_validation_best_is_last(clips: Path, tmp_path: Path) -> None:
    result = run(clips, tmp_path, val=None)
    assert (result.top1, result.top5) == (None, None)
    best, last = (load_file(tmp_path / name / "model.safetensors") for name in ("best", "last"))
    assert all(torch.equal(best[k], last[k]) for k in best)


def test_validation_split(clips: Path, tmp_path: Path) -> None:
    result = run(clips, tmp_path, val=None, val_split=0.3, epochs=1)
    assert result.top1 is not None
    identity = load_state(tmp_path / "resume" / "state.pt")["identity"]
    assert identity["train"]["clips"] + identity["val"]["clips"] == 22
    assert identity["val"]["clips"] == 6  # round(.3 * 8) + round(.3 * 7) + round(.3 * 7)


def test_cache_does_not_change_the_result(clips: Path, tmp_path: Path) -> None:
    a, b = (run(clips, tmp_path / str(cache), cache=cache, epochs=1) for cache in (False, True))
    assert any((tmp_path / "True" / "cache").rglob("*.npy"))
    assert a.history[0]["train_loss"] == b.history[0]["train_loss"]
    assert a.history[0]["val_loss"] == b.history[0]["val_loss"]


def test_bf16_trains_and_validates_in_32(clips: Path, tmp_path: Path) -> None:
    result = run(clips, tmp_path, precision="bf16", epochs=1)
    assert load(tmp_path / "last").head.fc.weight.dtype == torch.float32
    found = evaluate(load(tmp_path / "last"), clips / "val.csv")
    scores, labels = torch.from_numpy(found.scores), torch.from_numpy(found.labels)
    loss = torch.nn.functional.cross_entropy(scores, labels).item()
    assert loss == pytest.approx(result.history[0]["val_loss"], rel=1e-6)


def test_frozen_backbone_does_not_change(clips: Path, tmp_path: Path) -> None:
    run(clips, tmp_path, freeze=True, epochs=1, save_every=1)
    now = load_file(tmp_path / "last" / "model.safetensors")
    torch.manual_seed(0)  # the recipe's seed
    from spatempo.models.registry import create_model

    start = create_model("tsm_smallresnet", num_classes=3, dropout=0.2).state_dict()
    moved = {key for key in start if not torch.equal(start[key], now[key])}
    assert moved == {"head.fc.weight", "head.fc.bias"}


def test_accumulation_equals_a_larger_batch(clips: Path, tmp_path: Path) -> None:
    """Without batch statistics and random numbers, 2 x 2 clips give the step of 4 clips (up to rounding)."""
    settings = {"partial_bn": False, "freeze": True, "dropout": 0.0, "epochs": 1, "scale": "none", "flip": "none"}
    run(clips, tmp_path / "a", batch_size=4, **settings)
    run(clips, tmp_path / "b", batch_size=2, accumulate=2, **settings)
    a, b = (load_file(tmp_path / n / "last" / "model.safetensors") for n in "ab")
    torch.testing.assert_close(a["head.fc.weight"], b["head.fc.weight"], rtol=1e-4, atol=1e-6)


# --- errors ---


def broken(clips: Path, tmp_path: Path, *names: str) -> Path:
    root = tmp_path / "data"
    shutil.copytree(clips, root)
    for name in names:
        (root / "videos" / name).write_text("this is no video")
    return root


def test_unreadable_video_stops_training_by_default(
    clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = broken(clips, tmp_path, "clip 3.mp4")
    with pytest.raises(SpatempoError, match=r"clip 3\.mp4: .*1 of 22 training clips") as caught:
        run(root, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert "`max_unreadable`" in str(caught.value)
    assert "clip 3.mp4" not in capfd.readouterr().err  # the error contains it already


def test_each_unreadable_clip_is_reported_once() -> None:
    printed: list[str] = []
    unreadable = Unreadable({"training": 10}, 0.25, printed.append)
    unreadable.add("training", ["a: no", "b: no", "a: no"])
    assert printed == [f"skipped unreadable training clip: {name}: no" for name in "ab"]
    with pytest.raises(SpatempoError, match=r"^d: no: 4 of 10 training clips"):
        unreadable.add("training", ["c: no", "d: no"])
    assert printed[2:] == ["skipped unreadable training clip: c: no"]


@pytest.mark.slow
def test_unreadable_video_in_a_worker_stops_training(clips: Path, tmp_path: Path) -> None:
    root = broken(clips, tmp_path, "clip 3.mp4")
    with pytest.raises(SpatempoError, match=r"clip 3\.mp4: .*1 of 22 training clips"):
        run(root, tmp_path / "run", workers=1)


def test_training_accepts_a_fraction_of_unreadable_videos(
    clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = broken(clips, tmp_path, "clip 3.mp4", "clip 25.mp4")
    result = run(root, tmp_path / "run", max_unreadable=0.12, batch_size=1, epochs=2)  # some batches are empty
    error = capfd.readouterr().err
    assert error.count("clip 3.mp4") == 1
    assert error.count("clip 25.mp4") == 1
    assert load_state(tmp_path / "run" / "resume" / "state.pt")["unreadable"]["training"][0].count("clip 3.mp4") == 1
    assert result.epochs == 2
    found = evaluate(load(tmp_path / "run" / "last"), root / "val.csv")
    assert (found.n, found.top1) == (8, result.history[-1]["val_top1"])


def test_unreadable_validation_clip_stops_training(clips: Path, tmp_path: Path) -> None:
    root = broken(clips, tmp_path, "clip 25.mp4")
    with pytest.raises(SpatempoError, match=r"clip 25\.mp4: .*1 of 9 validation clips"):
        run(root, tmp_path / "run", max_unreadable=0.1)


def test_divergence_is_a_one_line_error_and_keeps_the_last_state(clips: Path, tmp_path: Path) -> None:
    settings = {"optimizer": "sgd", "schedule": "step", "warmup": 0.0, "clip_norm": 0, "save_every": 1}
    with pytest.raises(SpatempoError, match="no longer a finite number"):
        run(clips, tmp_path, recipe="finetune", lr=1e4, **settings)
    weights = load_state(tmp_path / "resume" / "state.pt")["model"]
    assert weights["head.fc.bias"].isfinite().all()


@pytest.mark.parametrize("victim", ["resume/state.pt", "model.safetensors"])
def test_full_disk_is_a_one_line_error_and_keeps_the_last_checkpoint(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    run(clips, tmp_path, epochs=2, callbacks=[Stop(7)])
    before = load_state(tmp_path / "resume" / "state.pt")
    size = (tmp_path / "last" / "model.safetensors").stat().st_size + 100  # the next metrics may be longer
    if victim == "model.safetensors":  # it is smaller than the state, so the state must not be saved
        from spatempo.learning import run_callback

        monkeypatch.setattr(run_callback, "save_state", lambda *args: None)
        size -= 200
    with largest_file(size), pytest.raises(SpatempoError, match="cannot be written") as caught:
        run(clips, tmp_path, resume=True)
    assert victim in str(caught.value)
    assert "The last saved state is intact, and `resume` continues" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load(tmp_path / "best").metrics["epoch"] == 1 or victim == "resume/state.pt"
    assert load_state(tmp_path / "resume" / "state.pt")["done"] == before["done"]
    monkeypatch.undo()
    assert run(clips, tmp_path, resume=True).epochs == 2


def test_without_a_saved_state_the_error_does_not_mention_resume(clips: Path, tmp_path: Path) -> None:
    with largest_file(10), pytest.raises(SpatempoError, match="cannot be written") as caught:
        run(clips, tmp_path / "run")
    assert "saved state" not in str(caught.value)


@pytest.mark.parametrize("out", ["file/run", "x" * 300, "none/" + "x" * 300, "locked/run"])
def test_an_output_folder_that_cannot_be_written_fails_before_any_work(
    clips: Path, tmp_path: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "locked").mkdir()
    real = os.access  # root may write anywhere, so the result of the system is replaced
    monkeypatch.setattr(os, "access", lambda path, mode: "locked" not in str(path) and real(path, mode))
    with pytest.raises(SpatempoError, match=r"cannot be written \(") as caught:
        run(clips, tmp_path / out)
    assert "saved state" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "none").exists()


class Stop(L.Callback):
    """Ends Lightning's run early, like a user's callback with a time limit."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        self.after -= 1
        trainer.should_stop = self.after <= 0


def test_folder_with_other_files_is_refused(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SpatempoError, match="is not empty"):
        run(clips, tmp_path)
    file = tmp_path / "thesis.txt"
    with pytest.raises(SpatempoError, match="is a file"):
        run(clips, file)
    assert file.read_text() == "mine"


def test_default_folder_is_new(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = load_manifest(clips / "train.csv")
    names = [train(manifest, **{**TINY, "epochs": 1}).checkpoint for _ in range(2)]
    assert names == [str(Path("runs/tsm_smallresnet/best")), str(Path("runs/tsm_smallresnet-2/best"))]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_unreadable": 2}, "`max_unreadable=2`"),
        ({"save_every": 0}, "`save_every=0`"),
        ({"workers": -1}, "`workers=-1`"),
        ({"device": "tpu"}, "'tpu' is not known"),
        ({"precision": "16"}, "16 needs CUDA"),
        ({"epochs": 0}, "`epochs=0`"),
        ({"learning_rate": 1}, "unknown field learning_rate"),
        ({"options": {"shift": 3}}, "shift"),
        ({"model": "tsm_resnet51"}, "resnet51"),
        ({"weights": "no/such/file.pth"}, "no/such/file.pth"),
        ({"recipe": "best"}, "recipe 'best' is not known"),
    ],
)
def test_invalid_arguments_create_no_files(clips: Path, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    out = tmp_path / "run"
    with pytest.raises(SpatempoError, match=words) as caught:
        run(clips, out, **settings)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_mirrored_directions_get_the_opposite_label(clips: Path, tmp_path: Path) -> None:
    root = tmp_path / "directed"
    shutil.copytree(clips, root)
    for name in ("train.csv", "val.csv"):
        text = (root / name).read_text().replace("red", "swipe left").replace("green", "swipe right")
        (root / name).write_text(text)
    with pytest.raises(SpatempoError, match="mirrored 'swipe left' is another class"):
        run(root, tmp_path / "a", flip="plain")
    run(root, tmp_path / "b", flip="auto", epochs=1)
    assert json.loads((tmp_path / "b" / "recipe.json").read_text())["flip"] == "labels"


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert (
        find_device_setup("auto").device,
        find_device_setup("auto").precision,
        find_device_setup("cpu", 2).world,
    ) == ("cpu", "32", 2)
    with pytest.raises(SpatempoError, match="not available"):
        find_device_setup("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert (find_device_setup("auto").world, find_device_setup("auto").precision) == (2, "16")
    assert find_device_setup("auto").trainer_arguments("16")["strategy"] == "ddp"
    with pytest.raises(SpatempoError, match="`devices=3`: only 2 cuda devices are available"):
        find_device_setup("cuda", 3)
    with pytest.raises(SpatempoError, match="bf16"):
        find_device_setup("cuda").check_precision("bf16")
    second = find_device_setup("cuda:1")
    assert (second.world, second.trainer_arguments("16")["devices"]) == (1, [1])
    for wrong, line in (("cuda:2", "last one is 'cuda:1'"), ("cpu:0", "not known"), ("cuda:x", "not known")):
        with pytest.raises(SpatempoError, match=line):
            find_device_setup(wrong)
    with pytest.raises(SpatempoError, match="is a single device"):
        find_device_setup("cuda:1", 2)


def test_default_size_is_that_of_the_design(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatempo.learning.train.median_short_side", lambda *_, **__: 480)
    run(clips, tmp_path, model="r2d_18", options={"width": 4}, size=None, frames=1, epochs=1)
    assert json.loads((tmp_path / "recipe.json").read_text())["size"] == 112
    assert load(tmp_path).preprocess.size == 112


def test_training_a_model_object_equals_training_by_name(clips: Path, tmp_path: Path) -> None:
    named = train(clips / "train.csv", out=tmp_path / "named", **TINY)
    dropout = load(named.checkpoint).dropout
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = create_model("tsm_smallresnet", num_classes=3, size=16, frames=3, dropout=dropout)
    given = train(clips / "train.csv", out=tmp_path / "given", **{**TINY, "model": model})
    one, other = (load(run.checkpoint) for run in (named, given))
    assert (one.preprocess, one.classes, one.recipe) == (other.preprocess, other.classes, other.recipe)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    assert model.classes == other.classes


def test_a_model_that_does_not_fit_the_data_is_refused(clips: Path, tmp_path: Path) -> None:
    model = create_model("tsm_smallresnet", num_classes=4)
    with pytest.raises(SpatempoError, match="4 classes, but the data has 3: create it with num_classes=3"):
        train(clips / "train.csv", out=tmp_path / "run", **{**TINY, "model": model})
    with pytest.raises(SpatempoError, match="already created: give `weights`, `mean`, `std` and `options`"):
        train(clips / "train.csv", out=tmp_path / "run", options={"every": 2}, **{**TINY, "model": model})
    assert not (tmp_path / "run").exists()
