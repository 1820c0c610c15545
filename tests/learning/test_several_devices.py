"""Two processes train together (DDP with gloo on the CPU), and their validation is exact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import TINY

from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.learning.train import train
from spatempo.models.checkpoint import load

SCRIPT = """
import json, os, sys
from spatempo.learning.train import train

if __name__ == "__main__":
    import torch
    torch.set_num_threads(1)
    root, out, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    result = train(root + "/train.csv", val=root + "/val.csv", out=out, devices=2, **settings)
    with open(f"{out}/rank{os.environ.get('LOCAL_RANK', '0')}.json", "w") as file:
        json.dump(result.history, file)
"""


@pytest.mark.slow
def test_two_processes_equal_one(clips: Path, tmp_path: Path) -> None:
    # With frozen norms and without random numbers, two processes with 2 clips each compute the step of one process with
    # 4 clips, up to rounding. (Not AdamW: it divides by the size of the gradient, which amplifies rounding near zero.)
    settings = {**TINY, "optimizer": "sgd", "lr": 0.01, "freeze": True, "dropout": 0.0, "scale": "none"}
    script, out = tmp_path / "script.py", tmp_path / "two"
    script.write_text(SCRIPT, encoding="utf-8")
    words = [sys.executable, str(script), str(clips), str(out), json.dumps({**settings, "batch_size": 2})]
    done = subprocess.run(words, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]

    histories = [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(2)]
    one = train(clips / "train.csv", val=clips / "val.csv", out=tmp_path / "one", **settings)
    found = evaluate(load(out / "last"), clips / "val.csv")
    assert found.n == 9  # odd: one process has one clip more, and no clip is counted twice
    for history in histories:
        assert [row["step"] for row in history] == [5, 10]
        for row, single in zip(history, one.history, strict=True):
            for key in ("train_loss", "train_top1", "val_loss", "val_top1"):
                assert row[key] == pytest.approx(single[key], rel=1e-5), key
        assert history[-1]["val_top1"] == found.top1
    a, b = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("one", "two"))
    torch.testing.assert_close(a["head.fc.weight"], b["head.fc.weight"], rtol=1e-4, atol=1e-6)
