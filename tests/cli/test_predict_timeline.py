"""``predict --timeline`` on the command line: JSON document, files, progress bar, and invalid input."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spatempo.cli.main import main
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.video.source import open_video
from spatempo.video.writer import write_video


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of noise at 10 frames per second."""
    frames = np.random.default_rng(0).integers(0, 256, (120, 32, 48, 3)).astype(np.uint8)
    return write_video(tmp_path_factory.mktemp("long") / "a film.mp4", frames, 10)


def test_document_and_files(document, checkpoint, long_video, tmp_path):
    drawn = tmp_path / "drawn" / "film.mp4"
    drawn.parent.mkdir()
    found = document(
        *("predict", checkpoint, long_video, "--timeline", "--min-score", 0, "--min-length", 0),
        *("--window", 1.6, "--stride", 0.8, "--batch-size", 3, "--out", tmp_path / "found", "--annotate", drawn),
    )
    assert (found["video"], found["duration"], found["frames"], found["windows"]) == (str(long_video), 12.0, 120, 14)
    assert (found["window"], found["stride"], found["min_score"], found["min_length"]) == (1.6, 0.8, 0.0, 0.0)
    segments = found["segments"]
    assert segments[0]["start"] == 0
    assert segments[-1]["end"] == 12
    assert all(a["end"] == b["start"] for a, b in pairwise(segments))
    assert {"start", "end", "label", "score"} == segments[0].keys()
    files = found.pop("files")
    assert json.loads(Path(files["json"]).read_text(encoding="utf-8")) == found
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        *("segments.csv", "segments.json", "segments.srt")
    ]
    with open_video(files["annotated"]) as after:
        assert (after.frames, after.fps) == (120, 10)


def test_background_labels_give_no_segments(document, checkpoint, long_video, tmp_path):
    words = ("predict", checkpoint, long_video, "--timeline", "--min-score", 0, "--out", tmp_path)
    labels = {segment["label"] for segment in document(*words)["segments"]}
    assert labels
    given = [word for label in labels for word in ("--background", label)]
    assert labels.isdisjoint(segment["label"] for segment in document(*words, *given)["segments"])


def test_text_output(capsys, checkpoint, long_video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(checkpoint), str(long_video), "--timeline", "--min-score", "0"]) == 0
    captured = capsys.readouterr()
    assert "0:00:00.00   " in captured.out
    assert "in 0:00:12.00; windows of 2 s every 0.5 s (default, because the checkpoint does not contain" in captured.out
    assert "scoring" in captured.err
    assert (tmp_path / "runs" / "timeline" / "a film" / "segments.srt").is_file()
    assert main(["predict", str(checkpoint), str(long_video), "--timeline", "--min-score", "1"]) == 0
    assert "0 segments of at least 1 s and score 1" in capsys.readouterr().out
    model = load(checkpoint)
    model.clip_seconds = 4.0
    with_length = save_checkpoint(model, tmp_path / "with length")
    assert main(["predict", str(with_length), str(long_video), "--timeline"]) == 0
    assert "windows of 4 s every 1 s, the length of its training videos" in capsys.readouterr().out


def test_invalid_input_is_refused(failure, checkpoint, long_video, tmp_path):
    def refused(*words: object) -> str:
        return failure("predict", checkpoint, long_video, "--timeline", "--out", tmp_path / "none", *words)

    assert "--timeline takes one video" in failure("predict", checkpoint, long_video, long_video, "--timeline")
    assert "--timeline takes one video" in refused("--clips", 2)
    assert "--window 0" in refused("--window", 0)
    assert "stride is 3" in refused("--stride", 3)
    assert "--stride 1e-09: one frame lasts" in refused("--stride", "1e-9")
    assert "cannot be written (" in failure(
        "predict", checkpoint, long_video, "--timeline", "--out", tmp_path / ("x" * 300)
    )
    assert "'nothing' is not a class" in refused("--background", "nothing")
    assert "is the video itself" in refused("--annotate", long_video)
    assert "end it in one of" in refused("--annotate", tmp_path / "film.gif")
    assert "warp" in refused("--device", "warp")
    assert "add --timeline" in failure("predict", checkpoint, long_video, "--min-score", 0.2)
    assert "add --timeline" in failure("predict", checkpoint, long_video, "--background", "still")
    assert "no/such.mp4" in failure("predict", checkpoint, "no/such.mp4", "--timeline")
    assert "--timeline takes one video" in failure("predict", checkpoint, tmp_path, "--timeline", "--crops", 3)
    (tmp_path / "text.mp4").write_text("no video")
    assert str(tmp_path / "text.mp4") in failure("predict", checkpoint, tmp_path / "text.mp4", "--timeline")
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("")
    here = tmp_path / "file" / "below"
    assert "cannot be written" in failure("predict", checkpoint, long_video, "--timeline", "--out", here)
    assert "cannot be written" in refused("--annotate", here / "film.mp4")


def test_an_interruption_leaves_no_incomplete_files(checkpoint, long_video, tmp_path, monkeypatch, capsys):
    """Ctrl-C while the annotated video is written: complete files are kept, the incomplete video is removed."""
    import spatempo.video.annotate as annotate

    def interrupted(*given):
        yield np.zeros((32, 48, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(annotate, "draw_captions", interrupted)
    words = ["predict", checkpoint, long_video, "--timeline", "--out", tmp_path, "--annotate", tmp_path / "film.mp4"]
    assert main([str(word) for word in words]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["segments.csv", "segments.json", "segments.srt"]


@pytest.mark.slow
def test_a_real_process(checkpoint, long_video, tmp_path):
    words = [sys.executable, "-m", "spatempo", "predict", str(checkpoint), str(long_video)]
    done = subprocess.run([*words, "--timeline", "--out", str(tmp_path), "--json"], capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["windows"] == 21
    assert "scoring" in done.stderr
