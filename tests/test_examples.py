"""The programs in examples/ run as their comments say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from networks import small

from spatempo.runtime.export import export
from spatempo.video.source import open_video
from spatempo.video.writer import write_video

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_live_onnx_labels_frames_as_the_model_does(tmp_path: Path) -> None:
    model = small("tsm_smallresnet", causal=True)
    model.classes = ["first", "second", "third"]
    export(model, tmp_path / "live.onnx", streaming=True)
    grid = np.linspace(0, 255, 12 * 36 * 48 * 3).reshape(12, 36, 48, 3)
    write_video(tmp_path / "clip.mp4", (grid * np.linspace(0, 1, 12)[:, None, None, None]).astype(np.uint8), fps=4)
    code = "import sys, runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0]); assert 'torch' not in sys.modules"
    words = [EXAMPLES / "live_onnx.py", tmp_path / "live.onnx", tmp_path / "clip.mp4", "3"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [float(line[0]) for line in lines] == [0, 0.75, 1.5, 2.25]

    with open_video(str(tmp_path / "clip.mp4")) as source:
        clip = model.preprocess(source.read([0, 3, 6, 9], short_side=model.preprocess.short_side))
    state, wanted = model.init_state(), []
    for frame in clip[None].split(1, 2):
        with torch.no_grad():
            logits, state = model.step(frame, state)
        wanted.append(model.classes[int(logits.argmax())])
    assert [line[2] for line in lines] == wanted


def test_live_onnx_is_short() -> None:
    code = (EXAMPLES / "live_onnx.py").read_text().split('"""')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
