"""Exported files on the command line, where checkpoints are accepted; `predict` does not import torch."""

import json
import subprocess
import sys
from dataclasses import replace

import exported
import numpy as np
import pytest
import torch

import spatempo
from spatempo.inputs.views import view_array
from spatempo.models.checkpoint import save_checkpoint
from spatempo.models.registry import create_model
from spatempo.video.source import open_video
from spatempo.video.writer import write_video

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

WITHOUT_TORCH = """
import sys
from spatempo.cli.main import main
code = main(sys.argv[1:])
heavy = {"torch", "torchvision", "matplotlib", "lightning", "timm", "scipy"} & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six videos of three classes, and the small exported model as an ONNX file and an OpenVINO folder."""
    root = tmp_path_factory.mktemp("exported")
    rng, rows = np.random.default_rng(3), ["path,label"]
    for k in range(6):
        colours = rng.integers(0, 255, (20, 1, 1, 3))
        write_video(root / f"{k}.mp4", np.uint8(np.broadcast_to(colours, (20, 48, 64, 3))), fps=10)
        rows.append(f"{k}.mp4,{exported.CLASSES[k % 3]}")
    (root / "test.csv").write_text("\n".join(rows))
    exported.write_clip_onnx(root / "m.onnx")
    return root


@pytest.fixture(params=["onnx", "openvino"])
def model(request, folder):
    if request.param == "onnx":
        return folder / "m.onnx"
    pytest.importorskip("openvino")
    made = folder / "m_openvino"
    return made if made.exists() else exported.as_openvino(folder / "m.onnx", made)


def logits_by_hand(video):
    preprocess = exported.spec_of().input
    with open_video(str(video)) as source:
        return exported.clip_logits(view_array(source, preprocess))[0]


class Torch(torch.nn.Module):
    """The exported model as a torch module."""

    def __init__(self):
        super().__init__()
        self.preprocess, self.classes = exported.spec_of().input, exported.CLASSES

    def forward(self, clip):
        frames = clip.mean((3, 4))
        return (frames * torch.arange(1.0, 1 + frames.shape[2])).mean(2) @ torch.from_numpy(exported.WEIGHT)


@pytest.mark.parametrize("flags", [(), ("--clips", "2", "--crops", "3"), ("--timeline",)])
def test_predict_imports_no_torch(model, folder, tmp_path, flags):
    words = ["predict", str(model), str(folder / "1.mp4"), *flags, "--json"]
    words += ["--out", str(tmp_path)] if "--timeline" in flags else []
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if flags == ():
        logits = logits_by_hand(folder / "1.mp4")
        scores = np.exp(logits) / np.exp(logits).sum()
        best = np.argsort(-scores)
        assert [row["label"] for row in found[0]["predictions"]] == [exported.CLASSES[k] for k in best]
        np.testing.assert_allclose([row["score"] for row in found[0]["predictions"]], scores[best], atol=1e-5)


@pytest.mark.parametrize("views", [{}, {"clips": 3, "crops": 3}, {"protocol": "kinetics-10x3-softmax"}])
def test_an_exported_model_gets_the_scores_of_the_torch_module(folder, views):
    engine = spatempo.load_engine(folder / "m.onnx")
    if "protocol" in views:  # full resolution: crops of the short side, which the file does not take
        with pytest.raises(spatempo.SpatempoError, match="takes frames of 32x32 pixels, got 36x36"):
            spatempo.predict(engine, folder / "0.mp4", **views)
        return
    found, reference = (spatempo.evaluate(one, folder / "test.csv", **views) for one in (engine, Torch()))
    np.testing.assert_allclose(found.scores, reference.scores, atol=1e-5)
    assert found.top1 == reference.top1
    one, other = (spatempo.predict(each, folder / "0.mp4", **views) for each in (engine, Torch()))
    assert [row["label"] for row in one] == [row["label"] for row in other]
    assert [row["score"] for row in one] == pytest.approx([row["score"] for row in other], abs=1e-6)
    predictor = spatempo.Predictor(engine, **views)
    assert isinstance(predictor.score(predictor.decode(folder / "0.mp4")), np.ndarray)


def test_test_and_its_ensembles_take_exported_files(document, folder, model, tmp_path):
    labels = [k % 3 for k in range(6)]
    logits = np.stack([logits_by_hand(folder / f"{k}.mp4") for k in range(6)])
    found = document("test", model, folder / "test.csv", "--workers", 0)
    assert found["top1"] == pytest.approx((logits.argmax(1) == labels).mean())
    torch.manual_seed(0)
    network = create_model("tsm_smallresnet", num_classes=3, frames=4, size=32)
    network.classes = list(exported.CLASSES)
    checkpoint = save_checkpoint(network, tmp_path / "best")
    own = spatempo.evaluate(spatempo.load(checkpoint), folder / "test.csv").scores
    both = document("test", checkpoint, folder / "test.csv", "--workers", 0, "--ensemble", model)
    assert both["top1"] == pytest.approx((((own + logits) / 2).argmax(1) == labels).mean())
    assert [member["checkpoint"] for member in both["members"]] == [str(checkpoint), str(model)]


def test_diagnose_measures_accuracies_and_says_what_it_leaves_out(document, folder, model, tmp_path):
    found = document("diagnose", model, folder / "test.csv", "--workers", 0, "--out", tmp_path / "page")
    assert found["receptive_field"] is None
    assert found["not_measured"] == ["receptive field", "Grad-CAM", "attention", "gates"]
    assert [row["frames"] for row in found["by_frames"]] == [1, 2, 4, 8]
    assert found["scores_changed"] == 1.0  # of the videos: the order of the frames matters
    labels = np.arange(6) % 3
    logits = np.stack([logits_by_hand(folder / f"{k}.mp4") for k in range(6)])
    assert found["ordered"] == pytest.approx((logits.argmax(1) == labels).mean())
    page = (tmp_path / "page" / "report.html").read_text()
    assert "these are not measured: receptive field, Grad-CAM, attention, gates" in page
    assert "Which frames the score of a frame depends on" not in page


def test_diagnose_of_a_file_with_a_fixed_number_of_frames_leaves_out_the_others(document, folder, tmp_path):
    file = exported.write_clip_onnx(tmp_path / "fixed.onnx", exported.spec_of(frames=(4, 4)), frames=4)
    found = document("diagnose", file, folder / "test.csv", "--workers", 0, "--out", tmp_path / "page")
    assert [row["frames"] for row in found["by_frames"]] == [4]
    assert [int(count) for count in found["unsupported_frames"]] == [1, 2, 8]


@pytest.mark.parametrize("command", ["predict", "test", "diagnose"])
def test_wrong_files_give_one_line(failure, folder, tmp_path, command):
    target = folder / ("0.mp4" if command == "predict" else "test.csv")
    step = exported.write_step_onnx(tmp_path / "step.onnx")
    (tmp_path / "model.pt2").write_bytes(b"PK")
    newer = exported.write_clip_onnx(tmp_path / "newer.onnx", replace(exported.spec_of(), format=9))
    out = ("--out", tmp_path / "page") if command == "diagnose" else ()
    if command != "test":
        line = failure(command, folder / "m.onnx", target, "--device", "cuda", *out)
        assert "exported files run on the CPU, not on 'cuda'" in line
        assert "was exported for streaming" in failure(command, step, target, *out)
    assert "loading it can execute code" in failure(command, tmp_path / "model.pt2", target, *out)
    assert "no such file" in failure(command, tmp_path / "none.onnx", target, *out)
    assert "upgrade spatempo" in failure(command, newer, target, *out)


def test_doctor_runs_each_engine(document, monkeypatch):
    pytest.importorskip("openvino")
    found = document("doctor")
    for name in ("onnxruntime", "openvino"):
        assert found["engines"][name]["works"] is True
        assert "runs a small model" in found["engines"][name]["detail"]


def test_doctor_lists_a_broken_engine_with_a_fix_and_accepts_a_missing_one(monkeypatch):
    from spatempo.cli import engine_checks

    def broken(model):
        raise RuntimeError("no such instruction\nmore")

    problems = []
    monkeypatch.setattr(engine_checks, "_ENGINES", {"onnxruntime": broken, "not_a_module": broken})
    found = engine_checks.engines(problems)
    assert found["not_a_module"] == {"works": False, "detail": "not installed"}
    assert found["onnxruntime"]["works"] is False
    fix = "pip install --force-reinstall onnxruntime"
    assert problems == [{"component": "engine onnxruntime", "reason": "no such instruction", "fix": fix}]
    monkeypatch.setattr(engine_checks, "_ENGINES", {"onnxruntime": lambda model: np.zeros((1, 2))})
    assert "computes wrong results" in engine_checks.engines(problems)["onnxruntime"]["detail"]
