"""Exported files in their engines, against the same small network in numpy."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import exported
import numpy as np
import pytest

import spatempo
from spatempo.errors import SpatempoError
from spatempo.runtime.spec import KEY, ExportSpec

pytest.importorskip("onnx")
KINDS = ("onnx", "openvino")


def make(folder, kind, model="clip", spec: ExportSpec | None = None, **options):
    """A path of the small exported model."""
    pytest.importorskip("onnxruntime" if kind == "onnx" else "openvino")
    spec = spec or exported.spec_of(model)
    write = exported.write_clip_onnx if model == "clip" else exported.write_step_onnx
    file = write(folder / "model.onnx", spec, **options)
    return file if kind == "onnx" else exported.as_openvino(file, folder / "model_ov", spec)


def clips(batch=2, frames=4, size=exported.SIZE, channels=3):
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch, channels, frames, size, size)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_clip_model_has_the_facts_and_the_logits_of_the_network(tmp_path, kind):
    engine = spatempo.load_engine(make(tmp_path, kind), threads=1)
    assert (engine.name, engine.design, engine.classes, engine.num_classes) == ("tsm_tiny", "tsm", exported.CLASSES, 3)
    assert (engine.clip_seconds, engine.frames, engine.state_names) == (2.0, (1, None), ())
    assert engine.preprocess.size == exported.SIZE
    assert engine.engine.startswith({"onnx": "onnxruntime 1.", "openvino": "openvino 20"}[kind])
    for batch, frames in ((1, 4), (3, 4), (2, 7)):
        clip = clips(batch, frames)
        logits = engine(clip)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, exported.clip_logits(clip), atol=1e-6)
    assert np.abs(engine(clip[:, :, ::-1]) - logits).max() > 1e-3  # the order matters, and strides may be negative


@pytest.mark.parametrize("kind", KINDS)
def test_torch_tensors_and_float64_arrays_are_accepted(tmp_path, kind):
    torch = pytest.importorskip("torch")
    engine = spatempo.load_engine(make(tmp_path, kind))
    clip = clips()
    wanted = exported.clip_logits(clip)
    tensor = torch.from_numpy(clip).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    for given in (tensor, clip.astype(np.float64)):
        np.testing.assert_allclose(engine(given), wanted, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_file_keeps_its_state_by_name(tmp_path, kind):
    engine = spatempo.load_engine(make(tmp_path, kind, "step"))
    assert engine.state_names == ("head.sum", "head.best")
    state = engine.init_state(2)
    assert [float(tensor.flat[0]) for tensor in state] == [0.0, -np.inf]
    clip, scores = clips(2, 5), []
    for t in range(5):
        logits, state = engine.step(clip[:, :, t : t + 1], state)
        scores.append(clip[:, :, t].mean((2, 3)) @ exported.WEIGHT)
        np.testing.assert_allclose(logits, np.sum(scores, 0) + np.max(scores, 0), atol=1e-6)
    with pytest.raises(SpatempoError, match=r"the state does not fit 1 stream\(s\): pass the state of init_state\(1\)"):
        engine.step(clip[:1, :, :1], state)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_file_has_no_step_and_a_step_file_takes_no_clips(tmp_path, kind):
    (tmp_path / "clip").mkdir()
    (tmp_path / "step").mkdir()
    engine = spatempo.load_engine(make(tmp_path / "clip", kind))
    for call in (engine.init_state, lambda: engine.step(clips(1, 1), ())):
        with pytest.raises(SpatempoError, match=r"takes complete clips, not single frames.*streaming=True"):
            call()
    step = spatempo.load_engine(make(tmp_path / "step", kind, "step"))
    with pytest.raises(SpatempoError, match=r"use init_state\(\) and step\(\)"):
        step(clips(1, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_clips_that_the_file_does_not_take_are_refused_with_what_it_takes(tmp_path, kind):
    engine = spatempo.load_engine(make(tmp_path, kind, spec=exported.spec_of(frames=(2, 8))))
    with pytest.raises(SpatempoError, match="takes frames of 32x32 pixels, got 16x16"):
        engine(clips(size=16))
    with pytest.raises(SpatempoError, match="takes 3 channels, got 2"):
        engine(clips(channels=2))
    with pytest.raises(SpatempoError, match="takes 2 to 8 frames, got 9"):
        engine(clips(frames=9))
    with pytest.raises(SpatempoError, match="takes 2 to 8 frames, got 1"):
        engine(clips(frames=1))
    with pytest.raises(SpatempoError, match=r"clip is float32 \[3, 4, 32, 32\]; give normalised float values"):
        engine(clips()[0])
    with pytest.raises(SpatempoError, match="clip is uint8"):
        engine(clips().astype(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_of_frames_fixed_by_the_graph_is_respected(tmp_path, kind):
    engine = spatempo.load_engine(make(tmp_path, kind, spec=exported.spec_of(frames=(4, 4)), frames=4))
    assert engine(clips()).shape == (2, 3)
    with pytest.raises(SpatempoError, match="takes 4 frames, got 5"):
        engine(clips(frames=5))


@pytest.mark.parametrize("kind", KINDS)
def test_threads_share_an_engine(tmp_path, kind):
    engine = spatempo.load_engine(make(tmp_path, kind))
    given = [clips(1 + k % 3, 2 + k % 7) * (k + 1) for k in range(24)]  # more shapes than OpenVINO keeps compiled
    with ThreadPoolExecutor(4) as threads:
        for clip, logits in zip(given, threads.map(engine, given), strict=True):
            np.testing.assert_allclose(logits, exported.clip_logits(clip), atol=1e-4)


def test_openvino_releases_the_shape_that_was_used_first(tmp_path):
    engine = spatempo.load_engine(make(tmp_path, "openvino"))
    for frames in (1, 2, 3, 4, 1, 5):
        engine(clips(1, frames))
    assert [shapes[0][2] for shapes in engine._requests] == [3, 4, 1, 5]


def test_bf16_is_computed_on_request_in_openvino_only(tmp_path):
    engine = spatempo.load_engine(make(tmp_path, "openvino"), precision="bf16")
    np.testing.assert_allclose(engine(clips()), exported.clip_logits(clips()), atol=0.05)
    with pytest.raises(SpatempoError, match="in f32; for precision='bf16' export the model as an OpenVINO folder"):
        spatempo.load_engine(tmp_path / "model.onnx", precision="bf16")
    with pytest.raises(SpatempoError, match="precision 'f16' is not known; choose from f32, bf16"):
        spatempo.load_engine(tmp_path / "model_ov", precision="f16")


def test_paths_that_are_no_exported_model_give_one_line(tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "model.pt2").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name, words in {
        "nowhere.onnx": "no such file or folder",
        "text.onnx": "not an ONNX file",
        "notes.txt": "not an exported model; give an .onnx file",
        "empty": "not an exported model; give an .onnx file",
        "model.pt2": "written for other programs; it is not loaded here because loading it can execute code",
    }.items():
        with pytest.raises(SpatempoError, match=words) as error:
            spatempo.load_engine(tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(SpatempoError, match="threads=0"):
        spatempo.load_engine(tmp_path / "text.onnx", threads=0)


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_others_and_of_the_future_are_refused(tmp_path, kind):
    import onnx

    (tmp_path / "new").mkdir()
    newer = make(tmp_path / "new", kind, spec=replace(exported.spec_of(), format=2))
    with pytest.raises(SpatempoError, match="has format 2, newer than this spatempo supports; upgrade spatempo"):
        spatempo.load_engine(newer)
    path = make(tmp_path, kind)
    if kind == "onnx":
        model = onnx.load(path)
        del model.metadata_props[:]
        onnx.save(model, path)
    else:
        (path / f"{KEY}.json").unlink()
    with pytest.raises(SpatempoError, match="was not exported by spatempo"):
        spatempo.load_engine(path)


def test_a_damaged_openvino_folder_gives_one_line(tmp_path):
    folder = make(tmp_path, "openvino")
    (folder / "model.xml").write_text("<net")
    with pytest.raises(SpatempoError, match=r"OpenVINO cannot read model\.xml") as error:
        spatempo.load_engine(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_that_is_not_installed_is_named_with_its_extra(tmp_path, kind, monkeypatch):
    path = make(tmp_path, kind)
    monkeypatch.setitem(sys.modules, "onnxruntime" if kind == "onnx" else "openvino", None)
    with pytest.raises(SpatempoError, match=rf"cannot be imported.*pip install 'spatempo\[{kind}\]'"):
        spatempo.load_engine(path)


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_runs_without_torch(tmp_path, kind):
    code = (
        "import sys, numpy, spatempo\n"
        "engine = spatempo.load_engine(sys.argv[1])\n"
        "engine(numpy.zeros((1, 3, 4, 32, 32), 'f'))\n"
        "assert 'torch' not in sys.modules, sorted(m for m in sys.modules if 'torch' in m)[:5]"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error::UserWarning"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(make(tmp_path, kind))], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
