"""Timelines of video files: input of the network, segments found, and invalid input."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import nn

from spatempo.errors import SpatempoError, VideoError
from spatempo.evaluation.longvideo.timeline import Timeline, timeline
from spatempo.evaluation.longvideo.timeline_files import write_timeline
from spatempo.evaluation.longvideo.timeline_segments import Segment
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.views import load_views
from spatempo.video.source import open_video
from spatempo.video.writer import write_video


class Brightness(nn.Module):
    """Predicts "bright" for clips that are bright for at least half of their length; records its input."""

    def __init__(self, **given) -> None:
        super().__init__()
        self.preprocess = Preprocess(frames=8, size=16, mean=(0.5,) * 3, std=(0.5,) * 3, **given)
        self.classes = ["dark", "bright"]
        self.shown: list[torch.Tensor] = []

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        assert not self.training
        self.shown += [one.clone() for one in clip]
        light = 40 * (clip.mean((1, 2, 3, 4)) + 0.1)
        return torch.stack([-light, light], 1)


def lit(times: np.ndarray, *spans: tuple[float, float]) -> np.ndarray:
    """uint8 [n, 24, 32, 3]: white from the beginning of each span to its end, else black."""
    frames = np.zeros((len(times), 24, 32, 3), np.uint8)
    for start, end in spans:
        frames[(times >= start - 1e-6) & (times < end - 1e-6)] = 255
    return frames


def write_timed(path: Path, times: np.ndarray, frames: np.ndarray) -> Path:
    """A file whose frames are shown at `times`, in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000, options={"qp": "10", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, picture in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), round(time * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def spans(found: Timeline) -> list[tuple[float, float, str]]:
    return [(round(s.start, 3), round(s.end, 3), s.label) for s in found.segments]


def test_events_are_found_at_their_times(tmp_path):
    times = np.arange(400) / 10
    video = write_video(tmp_path / "v.mp4", lit(times, (5, 8), (20, 24), (36, 40)), 10)
    found = timeline(Brightness(), video, background=["dark"])
    assert spans(found) == [(5, 8, "bright"), (20, 24, "bright"), (36, 40, "bright")]
    assert (found.window, found.stride, found.min_length, found.windows) == (2.0, 0.5, 1.0, 77)
    assert (found.frames, found.duration) == (400, pytest.approx(40))
    assert all(0.7 < s.score <= 1 for s in found.segments)
    everything = timeline(Brightness(), video, stride=1)
    assert [s.label for s in everything.segments] == ["dark", "bright"] * 3
    assert everything.segments[0].start == 0


def test_times_follow_the_timestamps_of_the_file(tmp_path):
    """Half a minute at 20 frames per second, then half a minute at 4: times from frame numbers would be wrong."""
    times = np.concatenate([np.arange(600) / 20, 30 + np.arange(120) / 4])
    video = write_timed(tmp_path / "v.mkv", times, lit(times, (10, 13), (50, 53)))
    with open_video(video) as source:
        assert source.fps == pytest.approx(719 / 59.75)
    found = timeline(Brightness(), video, background=["dark"])
    assert spans(found) == [(10, 13, "bright"), (50, 53, "bright")]
    assert found.duration == pytest.approx(59.75 + 59.75 / 719)


def test_network_input_equals_that_of_predict_on_the_window(tmp_path):
    """Every frame is encoded separately, so the window saved as a file has the same pixels."""
    frames = np.random.default_rng(0).integers(0, 256, (60, 24, 32, 3)).astype(np.uint8)
    model = Brightness(resize=20)
    timeline(model, write_video(tmp_path / "long.mp4", frames, 10), window=2.4, stride=1.2, batch_size=3)
    assert len(model.shown) == 4
    for k, clip in enumerate(model.shown):
        with open_video(write_video(tmp_path / f"{k}.mp4", frames[12 * k : 12 * k + 24], 10)) as window:
            assert torch.equal(clip, load_views(window, model.preprocess)[0])


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_batch_size_does_not_change_the_segments(tmp_path, batch_size):
    times = np.arange(150) / 10
    video = write_video(tmp_path / "v.mp4", lit(times, (5, 8)), 10)
    done: list[tuple[float, float]] = []
    found = timeline(Brightness(), video, batch_size=batch_size, report=lambda now, all_: done.append((now, all_)))
    assert found.segments == timeline(Brightness(), video).segments
    assert [now for now, _ in done] == sorted(now for now, _ in done)
    assert done[-1] == (pytest.approx(15, abs=0.2), pytest.approx(15))


def test_default_window_has_the_length_of_the_training_videos(tmp_path):
    video = write_video(tmp_path / "v.mp4", lit(np.arange(100) / 10), 10)
    model = Brightness()
    assert (timeline(model, video).window, timeline(model, video).window_from) == (2.0, "guess")
    model.clip_seconds = 3.2
    found = timeline(model, video)
    assert (found.window, found.stride, found.min_length, found.window_from) == (3.2, 0.8, 1.6, "training")
    found = timeline(model, video, window=4)
    assert (found.window, found.window_from) == (4, "given")
    dense = Brightness(sampling="dense", window=32)
    dense.clip_seconds = 9.0
    assert (timeline(dense, video).window, timeline(dense, video).window_from) == (3.2, "frames")
    model.clip_seconds = 11.0
    found = timeline(model, video)
    assert (found.window, found.windows, found.window_from) == (10.0, 1, "video")
    assert found.to_json()["window_from"] == "video"


@pytest.mark.parametrize("count", [1, 5, 19, 20])
def test_video_not_longer_than_the_window_is_one_window(tmp_path, count):
    video = write_video(tmp_path / "v.mp4", lit(np.arange(count) / 10, (0, 9)), 10)
    model = Brightness()
    found = timeline(model, video)
    assert found.windows == 1
    assert spans(found) == [(0, count / 10, "bright")]
    with open_video(video) as source:
        assert torch.equal(model.shown[0], load_views(source, model.preprocess)[0])


def test_undecodable_frames_do_not_shift_segments(tmp_path):
    times = np.arange(200) / 10
    video = write_video(tmp_path / "v.mp4", lit(times, (5, 8)), 10)
    data = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    for place in places[100:103]:
        data[place : place + 12] = b"\xff" * 12  # the length of the frame and its header
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    found = timeline(Brightness(), broken, background=["dark"])
    assert spans(found) == [(5, 8, "bright")]
    assert (found.frames, found.duration) == (197, pytest.approx(20, abs=0.01))


def test_invalid_input_is_rejected(tmp_path):
    video = write_video(tmp_path / "v.mp4", lit(np.arange(40) / 10), 10)
    for given, message in [
        ({"window": 0}, "`window=0`"),
        ({"stride": -1}, "`stride=-1`"),
        ({"window": 1, "stride": 1.5}, "at most 1"),
        ({"stride": 1e-9}, "one frame lasts 0.1 s; give at least 0.1"),
        ({"stride": 0.09}, "one frame lasts 0.1 s; give at least 0.1"),
        ({"window": 1e300}, "window"),
        ({"stride": float("nan")}, "stride"),
        ({"min_score": 1.5}, "min_score"),
        ({"min_length": -1}, "min_length"),
        ({"batch_size": 0}, "batch_size"),
        ({"background": ["nothing"]}, "'nothing' is not a class of the model: choose from dark, bright"),
    ]:
        with pytest.raises(SpatempoError, match=message):
            timeline(Brightness(), video, **given)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        timeline(Brightness(), tmp_path / "text.mp4")
    from PIL import Image

    (tmp_path / "frames").mkdir()
    Image.new("RGB", (32, 24)).save(tmp_path / "frames" / "img_00001.jpg")
    with pytest.raises(SpatempoError, match="images in a folder have no times; make a video of them first"):
        timeline(Brightness(), tmp_path / "frames")


def test_diverged_network_is_reported(tmp_path):
    class Diverged(Brightness):
        def forward(self, clip: torch.Tensor) -> torch.Tensor:
            return super().forward(clip) / 0

    video = write_video(tmp_path / "v.mp4", lit(np.arange(40) / 10), 10)
    with pytest.raises(SpatempoError, match="not finite"):
        timeline(Diverged(), video)


def test_contents_of_the_files(tmp_path):
    segments = (Segment(1.0, 2.5, "wave", 0.75), Segment(3661.2344, 3662.0, 'a, "b"\n--> c', 0.999))
    found = Timeline("v.mp4", 4000.00049, 100000, 2.0, 0.5, 7997, "given", 0.5, 1.0, ("still",), segments)
    files = write_timeline(found, tmp_path / "new" / "folder")
    assert {kind: Path(path).name for kind, path in files.items()} == {
        "csv": "segments.csv",
        "json": "segments.json",
        "srt": "segments.srt",
    }
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(
        Path(path).name for path in files.values()
    )
    with open(files["csv"], encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["start", "end", "label", "score"],
            ["1.000", "2.500", "wave", "0.7500"],
            ["3661.234", "3662.000", 'a, "b"\n--> c', "0.9990"],
        ]
    read = json.loads(Path(files["json"]).read_text(encoding="utf-8"))
    assert read == found.to_json()
    assert read["segments"][0] == {"start": 1.0, "end": 2.5, "label": "wave", "score": 0.75}
    assert (read["duration"], read["background"]) == (4000.0, ["still"])
    assert Path(files["srt"]).read_text(encoding="utf-8") == (
        '1\n00:00:01,000 --> 00:00:02,500\nwave  75%\n\n2\n01:01:01,234 --> 01:01:02,000\na, "b" --> c  100%\n'
    )
