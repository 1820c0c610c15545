"""Items and batches of a clip data set: randomness, views, unreadable videos, worker processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from spatempo.data.dataset import ClipDataset, collate
from spatempo.data.manifest import load_manifest
from spatempo.data.transforms import TrainTransform
from spatempo.errors import SpatempoError, VideoError
from spatempo.inputs.sampling import clip_indices, random_segment_indices
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.views import ArrayFrames, load_views
from spatempo.video.source import open_video

SMALL = Preprocess(frames=4, size=32, resize=40)


def training(clips: Path, **options) -> ClipDataset:
    return ClipDataset(load_manifest(clips), SMALL, train=True, **options)


def test_training_item_has_clip_label_and_index(clips):
    data = training(clips)
    item = data[0, 4]
    assert len(data) == 6
    assert item["clip"].shape == (3, 4, 32, 32)
    assert (item["label"], item["index"]) == (1, 4)


def test_training_item_uses_one_generator_for_sampling_and_augmentation(clips):
    data = training(clips, seed=3)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([3, 7, 1])))
    with open_video(data.manifest.samples[1].path) as source:
        indices = random_segment_indices(source.frames, 4, rng)
        want, _ = TrainTransform(SMALL)(source.read(indices.tolist(), short_side=data.short_side), 0, rng)
    assert torch.equal(data[7, 1]["clip"], want)


def test_items_depend_only_on_seed_epoch_and_index(clips):
    data, again = training(clips), training(clips)
    assert torch.equal(data[2, 1]["clip"], again[2, 1]["clip"])
    again[5, 3], again[0, 0]  # earlier items have no effect
    assert torch.equal(data[2, 1]["clip"], again[2, 1]["clip"])
    assert not torch.equal(data[3, 1]["clip"], data[2, 1]["clip"])
    assert not torch.equal(training(clips, seed=1)[2, 1]["clip"], data[2, 1]["clip"])
    data.set_epoch(2)
    assert torch.equal(data[1]["clip"], again[2, 1]["clip"])


def test_numpy_and_tensor_indices_are_accepted(clips):
    data = training(clips)
    assert torch.equal(data[np.int64(0), np.int64(2)]["clip"], data[0, 2]["clip"])
    assert data[torch.tensor(2)]["index"] == 2
    for index in (-1, 6):
        with pytest.raises(IndexError):
            data[index]


def test_dense_sampling_reads_a_window(clips):
    preprocess = Preprocess(frames=4, size=32, resize=40, sampling="dense")
    data = ClipDataset(load_manifest(clips), preprocess, train=True)
    assert data[0, 0]["clip"].shape == (3, 4, 32, 32)


def test_views_are_clips_times_crops(clips):
    manifest = load_manifest(clips)
    item = ClipDataset(manifest, SMALL, train=False, clips=2, crops=3)[0]
    assert item["clip"].shape == (6, 3, 4, 32, 32)
    with open_video(manifest.samples[0].path) as source:
        for c, indices in enumerate(clip_indices(source.frames, 4, "segment", 2)):
            frames = source.read(indices.tolist(), short_side=40)
            for k, crop in enumerate(("left", "center", "right")):
                assert torch.equal(item["clip"][3 * c + k], SMALL(frames, crop))


def test_evaluation_does_not_depend_on_the_epoch(clips):
    data = ClipDataset(load_manifest(clips), SMALL, train=False)
    assert torch.equal(data[0, 1]["clip"], data[5, 1]["clip"])


def test_frames_in_memory_give_similar_views(write_clip, tmp_path):
    """Two resizing implementations on a very fine texture; without resizing, the views are equal."""
    path = write_clip(tmp_path / "big.mp4", height=96, width=128)
    for short_side, most, mean in ((96, 0, 0), (40, 25, 8)):
        preprocess = Preprocess(frames=4, size=32, resize=short_side, mean=(0, 0, 0), std=(1, 1, 1))
        with open_video(path) as source:
            array = ArrayFrames(source.read(range(source.frames)))
            a, b = load_views(source, preprocess, 2, 3), load_views(array, preprocess, 2, 3)
        levels = (a - b).abs() * 255
        assert levels.max() <= most + 1e-3
        assert levels.mean() <= mean + 1e-3


def test_a_small_video_is_enlarged(write_clip, tmp_path):
    path = write_clip(tmp_path / "small.mp4", height=32, width=48)
    with open_video(path) as source:
        assert load_views(source, Preprocess(frames=4, size=64)).shape == (1, 3, 4, 64, 64)


def test_batches_of_clips_and_views_are_channels_last(clips):
    data = training(clips)
    batch = collate([data[0, i] for i in range(3)])
    assert batch["clip"].shape == (3, 3, 4, 32, 32)
    assert batch["clip"].is_contiguous(memory_format=torch.channels_last_3d)
    assert batch["label"].tolist() == [0, 0, 0]
    assert batch["index"].dtype == torch.int64
    views = ClipDataset(data.manifest, SMALL, train=False, clips=2)
    batch = collate([views[i] for i in range(3)])
    assert batch["clip"].shape == (3, 2, 3, 4, 32, 32)
    flat = batch["clip"].flatten(0, 1)
    assert flat.data_ptr() == batch["clip"].data_ptr()
    assert flat.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(batch["clip"][2], views[2]["clip"])


@pytest.fixture
def damaged(tmp_path: Path, write_clip) -> Path:
    write_clip(tmp_path / "a" / "good.mp4")
    (tmp_path / "a" / "text.mp4").write_text("this is not a video")
    (tmp_path / "t.csv").write_text("path,label\na/gone.mp4,x\na/good.mp4,y\na/text.mp4,y\n")
    return tmp_path / "t.csv"


@pytest.mark.parametrize("train", [True, False])
def test_unreadable_videos_are_listed_and_not_replaced(damaged, train):
    data = ClipDataset(load_manifest(damaged), SMALL, train=train)
    batch = collate([data[i] for i in range(3)])
    assert batch["index"].tolist() == [1]
    assert batch["label"].tolist() == [1]
    assert len(batch["clip"]) == 1
    assert [(Path(u["path"]).name, u["index"]) for u in batch["unreadable"]] == [("gone.mp4", 0), ("text.mp4", 2)]
    for error, found in zip(batch["errors"], batch["unreadable"], strict=True):
        assert error == f"{found['path']}: {found['reason']}"
        assert found["reason"]
        assert "\n" not in error


def test_batch_of_unreadable_videos_only(damaged):
    data = ClipDataset(load_manifest(damaged), SMALL, train=True)
    batch = collate([data[0], data[2]])
    assert (len(batch["label"]), batch["clip"].numel(), len(batch["errors"])) == (0, 0, 2)


@pytest.mark.parametrize(("count", "fine"), [(12, True), (11, False), (13, False)])
def test_a_wrong_frame_count_of_a_video_is_an_error(clips, count, fine, tmp_path):
    name = "wave/clip 0.mp4"
    (clips / "count.csv").write_text(f"path,label,frames\n{name},wave,{count}\n")
    item = ClipDataset(load_manifest(clips / "count.csv"), SMALL, train=False)[0]
    (clips / "count.csv").unlink()
    if fine:
        assert "clip" in item
    else:
        assert f"gives {count} frames, but 12 can be read" in item["error"]


def frame_folder(folder: Path, frames: int) -> None:
    folder.mkdir(parents=True)
    for t in range(frames):
        Image.fromarray(np.full((40, 40, 3), 10 * t, np.uint8)).save(folder / f"img_{t + 1:05d}.png")


def test_published_list_defines_the_frame_count_of_a_folder(tmp_path):
    frame_folder(tmp_path / "v 1", 20)
    gray = Preprocess(frames=4, size=32, resize=40, mean=(0, 0, 0), std=(1, 1, 1))
    shades = {}
    for count in (20, 8, 21):
        (tmp_path / "list.txt").write_text(f"v 1 {count} 0\n")
        manifest = load_manifest(tmp_path / "list.txt", template="img_{:05d}.png")
        item = ClipDataset(manifest, gray, train=False)[0]
        shades[count] = item.get("error") or (item["clip"][0, 0, :, 0, 0] * 255).round().tolist()
    assert shades[20] == [20, 70, 120, 170]  # ticks of 5 from 2.5: frames 2, 7, 12, 17
    assert shades[8] == [10, 30, 50, 70]  # ticks of 2 from 1: frames 1, 3, 5, 7 of the first 8
    assert "gives 21 frames, but 20 can be read" in shades[21]


def test_a_template_applies_to_folders_only(write_clip, tmp_path):
    frame_folder(tmp_path / "v", 5)
    write_clip(tmp_path / "clip.mp4")
    (tmp_path / "list.txt").write_text("v 5 0\nclip.mp4 12 1\n")
    data = ClipDataset(load_manifest(tmp_path / "list.txt", template="img_{:05d}.png"), SMALL, train=True)
    assert collate([data[0], data[1]])["errors"] == []


def test_a_mirrored_clip_has_the_mapped_label(clips):
    flipping = TrainTransform(SMALL, flip={0: 1, 1: 0})
    labels = [training(clips, transform=flipping)[epoch, 0]["label"] for epoch in range(20)]
    assert set(labels) == {0, 1}


def test_invalid_options_are_errors(clips):
    manifest = load_manifest(clips)
    with pytest.raises(SpatempoError, match="has no augmentation"):
        ClipDataset(manifest, SMALL, train=False, transform=TrainTransform(SMALL))
    with pytest.raises(SpatempoError, match="different preprocessing"):
        ClipDataset(manifest, SMALL, train=True, transform=TrainTransform(Preprocess(size=48)))
    with pytest.raises(SpatempoError, match="labels run from 0 to 1"):
        ClipDataset(manifest, SMALL, train=True, transform=TrainTransform(SMALL, flip={0: 5}))
    with pytest.raises(SpatempoError, match="seed is -1"):
        ClipDataset(manifest, SMALL, train=True, seed=-1)
    with pytest.raises(SpatempoError, match="crops is 2"):
        ClipDataset(manifest, SMALL, train=False, crops=2)
    with pytest.raises(SpatempoError, match="clips is 0"), open_video(manifest.samples[0].path) as source:
        load_views(source, SMALL, clips=0)


def test_frames_past_the_end_are_an_error(clips):
    with open_video(load_manifest(clips).samples[0].path) as source, pytest.raises(VideoError):
        load_views(source, SMALL, frames=40)


@pytest.mark.slow
def test_a_spawned_worker_gives_the_same_items(clips, damaged):
    keys = [[(3, 1), (3, 0)], [(4, 5), (3, 2)]]
    data = training(clips, transform=TrainTransform(SMALL, flip={0: 1, 1: 0}, color=0.2))
    loader = DataLoader(data, batch_sampler=keys, num_workers=1, multiprocessing_context="spawn", collate_fn=collate)
    bad = DataLoader(
        ClipDataset(load_manifest(damaged), SMALL, train=True),
        batch_size=3,
        num_workers=1,
        multiprocessing_context="spawn",
        collate_fn=collate,
    )
    for batch, batch_keys in zip(loader, keys, strict=True):
        want = collate([data[key] for key in batch_keys])
        assert torch.equal(batch["clip"], want["clip"])
        assert batch["clip"].is_contiguous(memory_format=torch.channels_last_3d)
        assert torch.equal(batch["label"], want["label"])
        assert torch.equal(batch["index"], want["index"])
    (batch,) = bad
    assert len(batch["errors"]) == 2
    assert json.dumps(batch["unreadable"])
