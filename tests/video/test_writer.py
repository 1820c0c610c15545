"""Written videos contain the frames given; with all-intra coding each frame is independent."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from spatempo.errors import SpatempoError
from spatempo.video.writer import write_video


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Coarse blocks that move, with noise: an encoder can predict them, but not exactly."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(20, 236, (16, 16, 3)).repeat(8, 0).repeat(8, 1)
    frames = np.stack([blocks[3 * t : 3 * t + 48, 2 * t : 2 * t + 64] for t in range(24)])
    return np.clip(frames + rng.normal(0, 4, frames.shape), 0, 255).astype(np.uint8)


def test_frames_survive_writing_and_reading(tmp_path: Path, clip: np.ndarray) -> None:
    path = write_video(tmp_path / "Füße & 歩く.mp4", clip, 12.5, qp=4)
    assert [p.name for p in tmp_path.iterdir()] == ["Füße & 歩く.mp4"]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.average_rate, stream.codec_context.name) == (24, 12.5, "h264")
        assert (stream.height, stream.width) == (48, 64)
    luma = (0.299, 0.587, 0.114)  # colour is stored at half the resolution, brightness in full
    assert np.abs(decode(path) @ luma - clip @ luma).mean() < 2


def test_colours_survive(tmp_path: Path) -> None:
    patch = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]], np.uint8)
    path = write_video(tmp_path / "clip.mp4", np.tile(patch[:, None, None], (1, 32, 32, 1)), 12, qp=4)
    # within rounding; coded by one matrix and read by another (BT.601, BT.709), red would be off by more than 15
    np.testing.assert_allclose(decode(path)[:, 16, 16].astype(int), patch, atol=4)


def test_every_frame_is_a_key_frame_with_all_intra_only(tmp_path: Path, clip: np.ndarray) -> None:
    def keys(path: Path) -> int:
        with av.open(str(path)) as container:
            return sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)

    assert keys(write_video(tmp_path / "intra.mp4", clip, 12)) == 24
    assert keys(write_video(tmp_path / "inter.mp4", clip, 12, all_intra=False)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_decoded_frame_depends_on_that_frame_only(tmp_path: Path, clip: np.ndarray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(24)[: 24 - 5 * seed]  # in any order, with some frames missing
    complete = decode(write_video(tmp_path / "complete.mp4", clip, 12))
    np.testing.assert_array_equal(decode(write_video(tmp_path / "some.mp4", clip[order], 12)), complete[order])


def test_reversal_is_exact_with_all_intra_only(tmp_path: Path, clip: np.ndarray) -> None:
    for all_intra in (True, False):
        forward = decode(write_video(tmp_path / "forward.mp4", clip, 12, all_intra=all_intra))
        backward = decode(write_video(tmp_path / "backward.mp4", clip[::-1], 12, all_intra=all_intra))
        # ordinary coding must fail; otherwise the test would prove nothing
        assert np.array_equal(backward[::-1], forward) == all_intra


def test_all_frames_of_a_still_clip_are_equal(tmp_path: Path, clip: np.ndarray) -> None:
    still = decode(write_video(tmp_path / "still.mp4", (clip[0] for _ in range(24)), 12, qp=35))
    assert len(np.unique(still, axis=0)) == 1


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, clip: np.ndarray) -> None:
    first, second = (write_video(tmp_path / name, clip, 12).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert first == second


def test_other_encoders_and_odd_sizes(tmp_path: Path, clip: np.ndarray) -> None:
    assert decode(write_video(tmp_path / "a.mp4", clip[:, :47, :61], 12, pix_fmt="yuv444p")).shape == (24, 47, 61, 3)
    forward = decode(write_video(tmp_path / "b.avi", clip, 12, codec="mpeg4", qp=3))
    backward = decode(write_video(tmp_path / "c.avi", clip[::-1], 12, codec="mpeg4", qp=3))
    np.testing.assert_array_equal(backward[::-1], forward)


def test_a_file_appears_only_when_complete(tmp_path: Path, clip: np.ndarray) -> None:
    path = write_video(tmp_path / "clip.mp4", clip, 12)
    before = path.read_bytes()

    def fails_late():
        yield from clip[:20]
        raise RuntimeError("camera unplugged")

    with pytest.raises(RuntimeError, match="unplugged"):
        write_video(path, fails_late(), 12)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda clip: clip, {"codec": "nonesuch"}, "encoder 'nonesuch' is missing"),
        (lambda clip: clip[:, :47], {}, "47x64 pixels cannot be stored as yuv420p"),
        (lambda clip: clip / 255.0, {}, r"frame 0 is float64 \[48, 64, 3\]"),
        (lambda clip: [clip[0], clip[1, :40]], {}, r"frame 1 is uint8 \[40, 64, 3\]"),
        (lambda clip: clip[:0], {}, "no frames"),
        (lambda clip: clip, {"fps": 0}, "not a frame rate"),
    ],
)
def test_invalid_input_raises_one_line_errors(
    tmp_path: Path, clip: np.ndarray, change, options: dict, words: str
) -> None:
    with pytest.raises(SpatempoError, match=words) as caught:
        write_video(tmp_path / "clip.mp4", change(clip), **{"fps": 12, **options})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_rejected(tmp_path: Path, clip: np.ndarray) -> None:
    with pytest.raises(SpatempoError, match=r"clip\.nonesuch: cannot write the video"):
        write_video(tmp_path / "clip.nonesuch", clip, 12)
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(SpatempoError, match=r"clip\.mp4: cannot be written"):
        write_video(tmp_path / "taken" / "clip.mp4", clip, 12)
