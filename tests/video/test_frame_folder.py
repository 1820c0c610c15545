"""Folders of numbered images are read like videos."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from damage import damaged, random_damage
from PIL import Image
from video_clips import pictures

from spatempo.errors import SpatempoError, VideoError
from spatempo.video.frame_folder import FlowFolder, FrameFolder
from spatempo.video.source import VideoSource, open_video


def make_folder(
    folder: Path, template: str = "img_{:05d}.jpg", count: int = 6, first: int = 1, **size: int
) -> np.ndarray:
    """Write `count` images. Returns the images as read by Pillow, uint8 [count, H, W, 3]."""
    read = []
    for number, picture in enumerate(pictures(count, **size), first):
        path = folder / template.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
        with Image.open(path) as image:
            read.append(np.asarray(image.convert("RGB")))
    return np.stack(read)


@pytest.mark.parametrize(
    "template", ["img_{:05d}.jpg", "{:05d}.jpg", "{:06d}.jpg", "image_{:05d}.jpg", "frame_{:06d}.png", "{:05d}.jpeg"]
)
def test_the_template_is_guessed(tmp_path: Path, template: str) -> None:
    expected = make_folder(tmp_path / "ein Ordner ü", template)
    (tmp_path / "ein Ordner ü" / "notes.txt").write_text("not an image")
    with open_video(tmp_path / "ein Ordner ü") as video:
        assert isinstance(video, VideoSource)
        assert (video.frames, video.height, video.width) == (6, 64, 96)
        assert np.array_equal(video.read([5, 0, 0, 3]), expected[[5, 0, 0, 3]])
        assert np.array_equal(pickle.loads(pickle.dumps(video)).read([2]), expected[[2]])
        numbers, frames = zip(*video.stream(), strict=True)
        assert numbers == (0, 1, 2, 3, 4, 5)
        assert np.array_equal(np.stack(frames), expected)


def test_flow_images_are_read_by_their_template(tmp_path: Path) -> None:
    make_folder(tmp_path, "img_{:05d}.jpg")
    for axis, grey in (("x", 40), ("y", 200)):
        for number in range(1, 4):
            Image.fromarray(np.full((64, 96), grey, np.uint8)).save(tmp_path / f"flow_{axis}_{number:05d}.jpg")
    flow = open_video(tmp_path, template="flow_y_{:05d}.jpg")
    assert flow.frames == 3
    assert flow.read([0, 2]).shape == (2, 64, 96, 3)
    assert (flow.read([1]) == 200).all()
    make_folder(tmp_path, "u/frame{:06d}.jpg", count=2)
    assert open_video(tmp_path, template="u/frame{:06d}.jpg").frames == 2


def test_numbering_may_start_at_zero(tmp_path: Path) -> None:
    expected = make_folder(tmp_path, "{:05d}.png", first=0)
    assert np.array_equal(open_video(tmp_path).read([0, 5]), expected[[0, 5]])


@pytest.mark.parametrize("template", ["img_{:05d}.jpg", "img_{:05d}.png"])
def test_scaling_is_antialiased_and_never_enlarges(tmp_path: Path, template: str) -> None:
    full = make_folder(tmp_path, template, height=240, width=322)
    folder = open_video(tmp_path)
    small = folder.read([4, 1], short_side=48)
    assert small.shape == (2, 48, 64, 3)  # int(48 * 322 / 240), as torchvision
    reference = np.stack([Image.fromarray(full[i]).resize((64, 48), Image.Resampling.BILINEAR) for i in (4, 1)])
    assert np.abs(small.astype(int) - reference).mean() < 4
    assert np.array_equal(folder.read([4], short_side=240), full[[4]])
    assert np.array_equal(folder.read([4], short_side=999), full[[4]])


def test_invalid_folders_are_rejected_in_one_line(tmp_path: Path) -> None:
    def check_rejected(match: str, template: str | None = None) -> None:
        with pytest.raises(VideoError, match=match) as error:
            FrameFolder(tmp_path, template).read([0, 1, 2])
        assert "\n" not in str(error.value)
        assert str(tmp_path) in str(error.value)

    check_rejected("no numbered images such as img_00001.jpg")
    make_folder(tmp_path)
    check_rejected("no image called flow_x", "flow_x_{:05d}.jpg")
    check_rejected("cannot list the folder", "nowhere/{:05d}.jpg")
    Image.new("RGB", (10, 10)).save(tmp_path / "img_00003.jpg")
    check_rejected("img_00003.jpg is 10x10, others 96x64")
    (tmp_path / "img_00003.jpg").write_bytes((tmp_path / "img_00002.jpg").read_bytes()[:1500])
    check_rejected("img_00003.jpg is missing or damaged")
    (tmp_path / "img_00003.jpg").write_text("no image")
    check_rejected("img_00003.jpg is missing or damaged")
    (tmp_path / "img_00003.jpg").unlink()
    check_rejected("img_00003.jpg is missing; extract")
    for name in ("img_00001.jpg", "img_00002.jpg"):
        (tmp_path / name).unlink()
    check_rejected("img_00001.jpg is missing; numbering starts at 1", "img_{:05d}.jpg")


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header states a size that its pixel data do not have."""
    header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# Pillow raises DecompressionBombError for the first size, warns for the second, and accepts the third
@pytest.mark.parametrize("size", [(60_000, 60_000), (10_000, 10_000), (8_200, 8_200)])
@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.filterwarnings("error")
def test_an_image_of_invalid_size_is_rejected(tmp_path: Path, size: tuple[int, int], number: int) -> None:
    make_folder(tmp_path, "img_{:05d}.png")
    (tmp_path / f"img_{number:05d}.png").write_bytes(png_of_size(*size))
    with pytest.raises(VideoError, match=rf"img_{number:05d}\.png.*damaged") as error:
        open_video(tmp_path).read([0, 3])
    assert "\n" not in str(error.value)


def test_damaged_images_are_read_or_rejected(tmp_path: Path) -> None:
    make_folder(tmp_path / "whole", "img_{:05d}.png", count=1)
    make_folder(tmp_path / "whole", "img_{:05d}.jpg", count=1)
    for seed in range(200):
        for ending in ("png", "jpg"):
            data = (tmp_path / "whole" / f"img_00001.{ending}").read_bytes()
            changes = random_damage(np.random.default_rng(seed))
            (tmp_path / f"img_00001.{ending}").write_bytes(damaged(data, changes))
            with contextlib.suppress(VideoError):  # anything else fails the test
                open_video(tmp_path, template=f"img_{{:05d}}.{ending}").read([0], short_side=16)


def test_postscript_named_as_jpeg_is_not_executed(tmp_path: Path) -> None:
    """Pillow passes PostScript to Ghostscript."""
    Image.new("RGB", (16, 16)).save(tmp_path / "img_00001.eps")
    (tmp_path / "img_00001.eps").rename(tmp_path / "img_00001.jpg")
    with pytest.raises(VideoError, match="missing or damaged"):
        open_video(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("number", [1, 4])
def test_a_pipe_among_the_images_is_rejected_without_waiting(tmp_path: Path, number: int) -> None:
    make_folder(tmp_path)
    (tmp_path / f"img_{number:05d}.jpg").unlink()
    os.mkfifo(tmp_path / f"img_{number:05d}.jpg")
    with pytest.raises(VideoError, match=rf"img_{number:05d}\.jpg is not a file"):
        open_video(tmp_path).read([0, 3])


@pytest.mark.parametrize("template", ["img.jpg", "img_{}_{}.jpg", "img_{", "img_{name}.jpg", "img_{:05q}.jpg"])
def test_a_template_needs_one_number_field(tmp_path: Path, template: str) -> None:
    make_folder(tmp_path)
    with pytest.raises(SpatempoError, match="template"):
        FrameFolder(tmp_path, template)


def test_frame_numbers_out_of_range_are_rejected(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for index in (6, -1):
        with pytest.raises(VideoError, match="use 0 to 5"):
            open_video(tmp_path).read([index])


def make_flow(folder: Path, count: int = 5, template: str = "flow_{}_{:05d}.png", height: int = 48) -> np.ndarray:
    """Write `count` flow fields as images. Returns the fields, uint8 [count, height, 64, 2]."""
    fields = np.random.default_rng(0).integers(0, 256, (count, height, 64, 2), dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for number, field in enumerate(fields, 1):
        for axis, name in enumerate("xy"):
            Image.fromarray(field[..., axis]).save(folder / template.format(name, number))
    return fields


@pytest.mark.parametrize(
    "template", ["flow_{}_{:05d}.png", "flow_{}_{:05d}.jpg", "flow_{}_{:04d}.jpg", "{}_{:05d}.png"]
)
def test_flow_has_two_channels(tmp_path: Path, template: str) -> None:
    make_folder(tmp_path, "img_{:05d}.jpg")  # UCF101 has both kinds in one folder
    expected = make_flow(tmp_path, template=template)
    with open_video(tmp_path, reads="flow") as flow:
        assert isinstance(flow, VideoSource)
        assert (flow.frames, flow.height, flow.width) == (5, 48, 64)
        got = flow.read([4, 0, 0])
        assert (got.shape, got.dtype) == ((3, 48, 64, 2), np.uint8)
        if template.endswith("png"):
            assert np.array_equal(got, expected[[4, 0, 0]])
            assert np.array_equal(np.stack([field for _, field in flow.stream()]), expected)
            assert np.array_equal(pickle.loads(pickle.dumps(flow)).read([2]), expected[[2]])
        else:  # JPEG changes noise, but x is still closer to x than to y
            differences = [
                np.abs(got.astype(int) - expected[[4, 0, 0]][..., list(order)]).mean() for order in ((0, 1), (1, 0))
            ]
            assert differences[0] < differences[1] / 2
        assert flow.read([1], short_side=24).shape == (1, 24, 32, 2)
    with open_video(tmp_path) as video:
        assert video.frames == 6


def test_folders_and_files_without_flow_are_rejected_in_one_line(tmp_path: Path) -> None:
    def check_rejected(match: str, template: str | None = None) -> None:
        with pytest.raises(SpatempoError, match=match) as error:
            FlowFolder(tmp_path, template)
        assert "\n" not in str(error.value)

    make_folder(tmp_path, "img_{:05d}.jpg")
    check_rejected("no flow such as flow_x_00001.jpg and flow_y_00001.jpg")
    make_flow(tmp_path / "only flow", template="{}_{:05d}.png")
    with pytest.raises(VideoError, match=r"contains optical flow \(x_00001.png\) and no RGB images; .* modality=flow"):
        open_video(tmp_path / "only flow")
    make_flow(tmp_path, template="flow_{}_{:05d}.jpg")
    check_rejected("needs one field for x and y", "flow_x_{:05d}.jpg")
    (tmp_path / "flow_y_00005.jpg").unlink()
    check_rejected("flow along x has frames 5, along y 4; extract the flow again")
    for number in range(1, 5):
        (tmp_path / f"flow_y_{number:05d}.jpg").unlink()
    check_rejected("no image called flow_y")
    (tmp_path / "clip.mp4").write_bytes(b"not opened")
    with pytest.raises(VideoError, match=r"flow is read from a folder of flow_x_00001.jpg.*extract it first"):
        open_video(tmp_path / "clip.mp4", reads="flow")
