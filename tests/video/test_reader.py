"""The PyAV reader gives exactly the frames of a full decode, for every codec, container and order of indices."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from video_clips import decode_all, decode_frames, make_clip

from spatempo.video.pyav_reader import PyAVReader
from spatempo.video.source import FrameStream, VideoSource, open_video

X264 = {"preset": "medium", "crf": "30", "x264-params": "threads=1"}
X265 = {"x265-params": "log-level=0:pools=1"}
VP9 = {"deadline": "realtime", "cpu-used": "8"}
VP9_HIDDEN = {"cpu-used": "5", "lag-in-frames": "16", "auto-alt-ref": "1"}
MILLI = Fraction(1, 1000)


def _x264(params: str) -> dict[str, str]:
    return {**X264, "x264-params": f"threads=1:{params}"}


# name -> (file name, whether the packet index is used, arguments of make_clip)
CASES: dict[str, tuple[str, bool, dict]] = {
    "h264, long groups, B-frames": ("a.mp4", True, {"options": _x264("keyint=250:bframes=3:b-pyramid=normal")}),
    "h264, short groups": ("a.mp4", True, {"options": _x264("keyint=12:scenecut=0")}),
    "h264 in mkv, no frame count": ("a.mkv", True, {"options": _x264("keyint=12:scenecut=0")}),
    "h264 in a transport stream": ("a.ts", True, {"options": _x264("keyint=12:scenecut=0")}),
    "h264, every frame a key frame": ("a.mp4", True, {"options": _x264("keyint=1")}),
    "h264, open groups": ("a.mp4", True, {"options": _x264("keyint=12:open-gop=1:scenecut=0:bframes=3")}),
    "h264, no key frame but the first": ("a.mp4", True, {"options": _x264("keyint=12:intra-refresh=1")}),
    "h264, several slices": ("a.mp4", True, {"options": _x264("keyint=30:slices=4")}),
    "h264, interlaced": ("a.mp4", False, {"options": _x264("keyint=30:tff=1")}),
    "h264 4:4:4": ("a.mp4", True, {"pix_fmt": "yuv444p", "options": X264, "height": 65, "width": 97}),
    "h264, varying frame rate": (
        "a.mp4",
        True,
        {"times": [i * 40 + 7 * (i % 3) + 500 * (i > 20) for i in range(60)], "time_base": MILLI, "options": X264},
    ),
    "h264, starts late": ("a.mp4", True, {"times": list(range(300, 360)), "time_base": Fraction(1, 25)}),
    "hevc, open groups": ("a.mp4", True, {"codec": "libx265", "options": {"x265-params": "keyint=12:log-level=0"}}),
    "hevc 10 bit": ("a.mkv", True, {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": X265}),
    "vp9": ("a.webm", True, {"codec": "libvpx-vp9", "gop": 15, "options": VP9}),
    "vp9 with hidden frames": ("a.webm", True, {"codec": "libvpx-vp9", "gop": 30, "options": VP9_HIDDEN}),
    "vp8": ("a.webm", False, {"codec": "libvpx", "gop": 15, "options": {"auto-alt-ref": "1", "lag-in-frames": "10"}}),
    "av1": ("a.mkv", True, {"codec": "libsvtav1", "gop": 15, "options": {"preset": "12", "svtav1-params": "lp=1"}}),
    "mpeg4 in avi, B-frames": ("a.avi", False, {"codec": "mpeg4", "gop": 12, "b_frames": 2}),
    "mpeg4 in mp4": ("a.mp4", False, {"codec": "mpeg4", "gop": 12}),
    "mpeg2": ("a.ts", False, {"codec": "mpeg2video", "gop": 12, "b_frames": 2}),
    "mjpeg, full range": ("a.avi", True, {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "ffv1": ("a.mkv", True, {"codec": "ffv1", "pix_fmt": "yuv420p", "gop": 10}),
    "odd size": ("a.webm", True, {"codec": "libvpx-vp9", "height": 61, "width": 91, "options": VP9}),
}  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, np.ndarray]]:
    """(file, full decode) of a case, made once, on first use."""
    folder, made = tmp_path_factory.mktemp("clips"), {}

    def make(case: str) -> tuple[Path, np.ndarray]:
        if case not in made:
            name, _, arguments = CASES[case]
            if arguments.get("codec", "libx264") not in av.codecs_available:
                pytest.skip(f"this PyAV cannot encode {arguments['codec']}")
            path = make_clip(folder / f"{len(made)} {name}", **arguments)
            made[case] = path, decode_all(path)
        return made[case]

    return make


@pytest.mark.parametrize("case", CASES)
def test_frames_equal_a_full_decode(clip, case: str) -> None:
    path, expected = clip(case)
    rng = np.random.default_rng(1)
    with open_video(path) as video:
        assert isinstance(video, VideoSource)
        assert video.frames == len(expected) == 60
        assert (video.height, video.width) == expected.shape[1:3]
        assert (
            len(np.unique(expected.reshape(60, -1), axis=0)) == 60
        )  # all frames differ; otherwise the test would prove nothing
        for size in (1, 2, 8, 8, 8, 30):
            indices = rng.integers(0, 60, size)
            assert np.array_equal(video.read(indices.tolist()), expected[indices])
        assert np.array_equal(video.read(range(60)), expected)
        assert np.array_equal(video.read([59]), expected[[59]])
        assert (video.decodes_all is None) == CASES[case][1], video.decodes_all


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(indices=st.lists(st.integers(0, 59), max_size=12), case=st.sampled_from(list(CASES)[:6]))
def test_any_list_of_indices_gives_the_frames_of_a_full_decode(clip, indices: list[int], case: str) -> None:
    path, expected = clip(case)
    video = PyAVReader(path)
    for _ in range(2):  # the second read starts at another position
        assert np.array_equal(video.read(indices), expected[np.array(indices, dtype=int)])


def test_leading_frames_and_their_key_frames_in_one_read(clip) -> None:
    """In an open group the key frame starts a packet range that excludes the frames displayed before it."""
    path, expected = clip("hevc, open groups")
    video = PyAVReader(path)
    index = video._known().index
    assert index is not None
    keys = [number for number in range(60) if index.entry[number] == index.packet[number]]
    pairs = [[key - back, key] for key in keys[1:] for back in (1, 2, 3)]
    assert any(index.packet[a] > index.packet[b] and index.entry[a] < index.packet[b] for a, b in pairs)
    for pair in pairs:
        assert np.array_equal(video.read(pair), expected[pair])
    assert video.decodes_all is None


def test_only_needed_packets_are_read_and_decoded(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the requested groups are read, spare pictures are skipped, other frames are not converted."""
    path, expected = clip("h264, short groups")
    video = PyAVReader(path)
    read, converted, fed = [], [], []
    next_packet, to_rgb = video._decoder._next_packet, video._to_rgb

    class Codec:
        def __init__(self, codec) -> None:
            self.codec = codec

        def decode(self, packet):
            if packet is not None:
                fed.append(packet.pts)
            return self.codec.decode(packet)

        def flush_buffers(self) -> None:
            self.codec.flush_buffers()

    go_to = video._decoder._go_to
    monkeypatch.setattr(video._decoder, "_go_to", lambda *a: Codec(go_to(*a)))
    monkeypatch.setattr(video._decoder, "_next_packet", lambda index: read.append(1) or next_packet(index))
    monkeypatch.setattr(video, "_to_rgb", lambda frame, *a: converted.append(frame.pts) or to_rgb(frame, *a))

    assert np.array_equal(video.read([50, 50, 1]), expected[[50, 50, 1]])
    assert len(converted) == 2
    assert len(read) <= 24  # two groups of 12, not 60
    assert len(fed) <= 10  # frame 1 and frame 50 = 48 + 2 need a few reference frames each
    fed.clear()
    video.read([47])
    assert 2 <= len(fed) <= 9  # the last frame of its group: 12 packets, without the B-frames


@pytest.mark.parametrize("short_side", [1, 31, 48, 60])
@pytest.mark.parametrize("case", ["h264, long groups, B-frames", "odd size", "h264 4:4:4", "hevc 10 bit"])
def test_scaling_equals_that_of_the_decoder(clip, case: str, short_side: int) -> None:
    path, full = clip(case)
    video = open_video(path)
    width = int(short_side * full.shape[2] / full.shape[1])  # torchvision's rule
    expected = decode_all(path, height=short_side, width=width)
    assert np.array_equal(video.read([3, 0, 41], short_side), expected[[3, 0, 41]])


def test_scaling_is_close_to_an_antialiased_resize(clip) -> None:
    from PIL import Image

    path, full = clip("h264, short groups")
    frame = open_video(path).read([10], short_side=32)[0]
    reference = Image.fromarray(full[10]).resize((48, 32), Image.Resampling.BILINEAR)  # antialiased
    strided = full[10, ::2, ::2]
    scaled_error, strided_error = (np.abs(each.astype(int) - np.asarray(reference)).mean() for each in (frame, strided))
    assert scaled_error < strided_error / 2  # colours are stored at half size, so this texture cannot agree exactly


def test_frames_are_never_enlarged(clip) -> None:
    path, expected = clip("h264, short groups")
    for short_side in (64, 65, 4000):
        assert np.array_equal(open_video(path).read([7], short_side), expected[[7]])


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied_after_scaling(tmp_path: Path, rotation: int) -> None:
    if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write a rotation")
    path = make_clip(tmp_path / "rotated.mp4", count=10, rotation=rotation)
    assert {frame.rotation % 360 for frame in decode_frames(path)} == {rotation}
    # decode the same file: an encoder may write other bytes the second time
    stored = np.stack([frame.to_ndarray(format="rgb24") for frame in decode_frames(path)])
    turned = np.rot90(stored, rotation // 90, axes=(1, 2))
    with open_video(path) as video:
        assert (video.height, video.width) == turned.shape[1:3]
        assert np.array_equal(video.read([9, 0, 4]), turned[[9, 0, 4]])
        stored = np.stack([frame.to_ndarray(format="rgb24", height=32, width=48) for frame in decode_frames(path)])
        small = np.rot90(stored, rotation // 90, axes=(1, 2))
        assert np.array_equal(video.read([9, 0, 4], short_side=32), small[[9, 0, 4]])


def test_rotation_by_hand(clip) -> None:
    from spatempo.video._frames import rotate

    picture = np.array([[[1], [2]], [[3], [4]]])  # 1 2 / 3 4
    assert rotate(picture, 90)[..., 0].tolist() == [[2, 4], [1, 3]]  # counter-clockwise
    assert rotate(picture, -90)[..., 0].tolist() == [[3, 1], [4, 2]]
    assert rotate(picture, -180)[..., 0].tolist() == [[4, 3], [2, 1]]
    assert rotate(picture, 0) is picture


def test_rate_duration_and_codec_are_those_of_the_frames(clip) -> None:
    with open_video(clip("h264, short groups")[0]) as video:
        assert video.codec == "h264"
        assert video.fps == pytest.approx(25)
        assert video.duration == pytest.approx(60 / 25)
    with open_video(clip("h264, varying frame rate")[0]) as video:
        last = 59 * 40 + 7 * 2 + 500  # milliseconds
        assert video.fps == pytest.approx(59 / (last / 1000), rel=0.01)
    with open_video(clip("h264, starts late")[0]) as video:
        assert video.fps == pytest.approx(25)
        assert video.duration == pytest.approx(60 / 25)


def test_stream_gives_all_frames_in_order(clip) -> None:
    for case in ("h264, varying frame rate", "mpeg4 in avi, B-frames"):
        path, expected = clip(case)
        video = open_video(path)
        assert isinstance(video, FrameStream)
        times, frames = zip(*video.stream(), strict=True)
        assert np.array_equal(np.stack(frames), expected)
        assert times[0] == 0
        assert (np.diff(times) > 0).all()
    path, _ = clip("h264, varying frame rate")
    video = open_video(path)
    times = [time for time, _ in video.stream(short_side=16)]
    stated = np.array([i * 40 + 7 * (i % 3) + 500 * (i > 20) for i in range(60)]) / 1000
    assert np.abs(np.array(times) - stated).max() < 0.002


def test_read_works_while_a_stream_is_open(clip) -> None:
    path, expected = clip("h264, short groups")
    video = open_video(path)
    for number, (_, frame) in enumerate(video.stream()):
        assert np.array_equal(frame, expected[number])
        if number % 20 == 0:
            assert np.array_equal(video.read([59 - number]), expected[[59 - number]])


@pytest.mark.parametrize("case", ["h264, short groups", "mpeg4 in avi, B-frames", "h264, long groups, B-frames"])
def test_threads_do_not_change_frames(clip, case: str) -> None:
    path, expected = clip(case)
    video = open_video(path, threads=2)
    for indices in ([59, 0, 13], [30], [31, 58]):
        assert np.array_equal(video.read(indices), expected[indices])


def test_no_indices_give_no_frames(clip) -> None:
    video = open_video(clip("h264, short groups")[0])
    assert video.read([]).shape == (0, 64, 96, 3)
    assert video.read([], short_side=32).shape == (0, 32, 48, 3)


def test_read_works_after_an_interrupted_read(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    path, expected = clip("h264, short groups")
    video = PyAVReader(path)
    to_rgb, calls = video._to_rgb, []

    def stop_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return to_rgb(*arguments)

    monkeypatch.setattr(video, "_to_rgb", stop_once)
    with pytest.raises(KeyboardInterrupt):
        video.read([1])  # this frame is returned when the decoder is flushed
    assert np.array_equal(video.read([13, 14]), expected[[13, 14]])
    assert video.decodes_all is None
