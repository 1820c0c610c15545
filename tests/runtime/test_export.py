"""Exported files: contents, agreement with the model, and files that must not appear."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from networks import clips, small

from spatempo.errors import SpatempoError
from spatempo.files import WriteError
from spatempo.models.video_model import VideoModel
from spatempo.runtime.export import Exported, export
from spatempo.runtime.spec import FILE, KEY, ExportSpec


@pytest.fixture(scope="module")
def model() -> VideoModel:
    made = small("tsm_smallresnet", causal=True)
    made.classes = ["pull left", "pull right", "größer"]
    made.clip_seconds = 2.5
    return made


@pytest.fixture(scope="module")
def files(model: VideoModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Exported]]:
    """The model in every format, as clips and as a step."""
    folder = tmp_path_factory.mktemp("exported")
    names = {"clip.onnx": False, "clip_openvino": False, "clip.pt2": False, "step.onnx": True, "step_openvino": True}
    return {name: (folder / name, export(model, folder / name, streaming=live)) for name, live in names.items()}


def test_the_result_describes_the_file(files: dict[str, tuple[Path, Exported]]) -> None:
    for name, (path, result) in files.items():
        assert result.path == str(path)
        assert result.format == ("openvino" if "openvino" in name else path.suffix[1:])
        assert 0 < result.max_rel_diff < 1e-5
        assert result.max_abs_diff > 0
        assert (result.random_clips, result.real_clips) == (3, 0)
        assert result.own_mix == {}
        assert result.bytes == sum(f.stat().st_size for f in ([path] if path.is_file() else path.iterdir()))
    assert files["clip.onnx"][1].inputs == {"clip": ["B", 3, "T", 32, 32]}
    assert files["clip.onnx"][1].outputs == {"logits": ["B", 3]}
    step = files["step.onnx"][1]
    assert step.inputs["frames"] == ["B", 3, 1, 32, 32]
    assert step.inputs["backbone.layer1.0.conv1.temporal.past"] == ["B", 4, 16, 16]
    assert step.outputs["next_backbone.layer1.0.conv1.temporal.past"] == ["B", 4, 16, 16]
    assert json.loads(json.dumps(step.to_json()))["frames"] == [1, 1]


def test_no_other_file_remains(files: dict[str, tuple[Path, Exported]]) -> None:
    folder = files["clip.onnx"][0].parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)


def test_the_file_alone_contains_all_facts(model: VideoModel, files: dict[str, tuple[Path, Exported]]) -> None:
    stored = onnx.load(files["clip.onnx"][0])
    texts = [entry.value for entry in stored.metadata_props if entry.key == KEY]
    texts.append((files["clip_openvino"][0] / FILE).read_text())
    for text in texts:
        spec = ExportSpec.from_json(text, "test")
        assert spec.input == model.preprocess
        assert (spec.name, spec.design, spec.backbone) == ("tsm_smallresnet", "tsm", "spatempo/smallresnet")
        assert spec.classes == model.classes
        assert spec.options == model.options
        assert spec.clip_seconds == 2.5
        assert spec.kind == "clip"
        assert spec.frames == (2, None)
    extra = {FILE: ""}
    torch.export.load(files["clip.pt2"][0], extra_files=extra)
    assert ExportSpec.from_json(extra[FILE], "test").classes == model.classes


@torch.no_grad()
def test_onnxruntime_alone_gives_the_model_s_logits(model: VideoModel, files: dict[str, tuple[Path, Exported]]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(files["clip.onnx"][0])
    for batch, frames in ((1, 4), (2, 7), (3, 2)):
        clip = clips(frames, batch)
        want = model(clip).numpy()
        (got,) = session.run(None, {"clip": clip.numpy()})
        assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()
        (backwards,) = session.run(None, {"clip": clip.flip(2).numpy()})
        assert np.abs(backwards - want).max() > 1e-2 * np.abs(want).max()


@torch.no_grad()
def test_an_archive_loads_in_torch(model: VideoModel, files: dict[str, tuple[Path, Exported]]) -> None:
    program = torch.export.load(files["clip.pt2"][0]).module()
    for batch, frames in ((1, 4), (3, 5)):
        clip = clips(frames, batch)
        torch.testing.assert_close(program(clip), model(clip), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_steps_in_onnxruntime_alone_end_at_the_clip_s_logits(
    model: VideoModel, files: dict[str, tuple[Path, Exported]]
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(files["step.onnx"][0])
    spec = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    clip = clips(5, 2)
    state = {
        tensor["name"]: np.full([2 if n is None else n for n in tensor["shape"]], float(tensor["fill"]), np.float32)
        for tensor in spec["state"]
    }
    assert list(state) == list(model.state_names)
    logits = np.zeros(0)
    for frame in clip.split(1, 2):
        logits, *values = session.run(None, {"frames": frame.numpy(), **state})
        state = dict(zip(state, values, strict=True))
    want = model(clip).numpy()
    assert np.abs(logits - want).max() < 1e-5 * np.abs(want).max()


def test_the_model_is_unchanged(tmp_path: Path) -> None:
    model = small("tsm_smallresnet").double().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export(model, tmp_path / "model.onnx")
    assert model.training
    assert next(model.parameters()).dtype == torch.float64
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_real_clips_are_compared_too(model: VideoModel, tmp_path: Path) -> None:
    from spatempo.video.writer import write_video

    video = tmp_path / "clip.mp4"
    write_video(video, np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8), fps=8)
    result = export(model, tmp_path / "model.onnx", videos=[video])
    assert (result.random_clips, result.real_clips) == (3, 1)
    with pytest.raises(SpatempoError, match=r"missing\.mp4"):
        export(model, tmp_path / "other.onnx", videos=[tmp_path / "missing.mp4"])


@pytest.mark.parametrize("name", ["model", "model.pt2"])
def test_a_file_that_differs_from_the_model_is_not_kept(
    model: VideoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module = sys.modules["spatempo.runtime.export"]
    rewrite = module.rewrite

    def wrong(plain: VideoModel, *arguments: object, **options: object):
        with torch.no_grad():
            plain.get_submodule("head.fc").bias[0] += 1e-2
        try:
            return rewrite(plain, *arguments, **options)  # pyright: ignore
        finally:
            with torch.no_grad():
                plain.get_submodule("head.fc").bias[0] -= 1e-2

    monkeypatch.setattr(module, "rewrite", wrong)
    with pytest.raises(SpatempoError, match=r"not written, because .* differs from the model by"):
        export(model, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_previous_file(
    model: VideoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_text("previous")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"model\.onnx: cannot be written \(No space left on device\)"):
        export(model, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "previous"


def test_a_previous_export_is_replaced_and_other_folders_are_not(model: VideoModel, tmp_path: Path) -> None:
    folder = tmp_path / "openvino"
    export(model, folder)
    (folder / "left_over").touch()
    export(model, folder)
    assert not (folder / "left_over").exists()
    other = tmp_path / "videos"
    other.mkdir()
    (other / "clip.mp4").touch()
    with pytest.raises(SpatempoError, match=r"videos: contains other files; give a new folder"):
        export(model, other)
    assert (other / "clip.mp4").exists()
    other.rename(tmp_path / "videos.onnx")
    with pytest.raises(SpatempoError, match=r"videos\.onnx: is a folder; give the name of a file"):
        export(model, tmp_path / "videos.onnx")
    with pytest.raises(SpatempoError, match=r"a file of format onnx needs a name that ends in \.onnx"):
        export(model, tmp_path / "model", format="onnx")


def test_wrong_use(model: VideoModel, tmp_path: Path) -> None:
    with pytest.raises(SpatempoError, match=r"needs future frames.*train it with `causal=True`"):
        export(small("tsm_smallresnet"), tmp_path / "model.onnx", streaming=True)
    with pytest.raises(SpatempoError, match=r"sth has no causal form"):
        export(small("sth_smallresnet"), tmp_path / "model.onnx", streaming=True)
    with pytest.raises(SpatempoError, match="format 'tflite' is not known; choose from onnx, openvino, pt2"):
        export(model, tmp_path / "model.onnx", format="tflite")  # pyright: ignore
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(model: VideoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name))
    with pytest.raises(SpatempoError, match=r"format openvino needs openvino: pip install 'spatempo\[openvino\]'"):
        export(model, tmp_path / "model")
