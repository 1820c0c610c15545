"""Files of the generated data set: exact reversals, complete manifests, reproducible from the seed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from spatempo.data.generated import make as making
from spatempo.data.generated import photos, sheet
from spatempo.data.generated.make import make_data
from spatempo.data.generated.presets import PAIRS, PRESETS, get_preset
from spatempo.errors import SpatempoError
from spatempo.inputs.sampling import segment_indices


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def rows(root: Path, split: str) -> list[dict[str, str]]:
    with (root / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def every_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with one clip per class and split, with all disturbances."""
    root = tmp_path_factory.mktemp("generated") / "all classes"
    make_data(root, "standard", seed=3, clips_per_class=1, size=48, frames=24, workers=1)
    return root


def pairs_of(root: Path) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for split in ("train", "val", "test"):
        for row in rows(root, split):
            if row["pair"]:
                groups.setdefault(row["group"], []).append(root / row["path"])
    return groups


def test_manifests_list_every_file_once(every_class: Path) -> None:
    found = {path.relative_to(every_class).as_posix() for path in (every_class / "videos").rglob("*.mp4")}
    listed = [row["path"] for split in ("train", "val", "test") for row in rows(every_class, split)]
    assert len(listed) == len(set(listed)) == 3 * 18
    assert set(listed) == found
    about = json.loads((every_class / "dataset.json").read_text(encoding="utf-8"))
    for split in ("train", "val", "test"):
        assert [row["label"] for row in rows(every_class, split)] == about["classes"]
        for row in rows(every_class, split):
            assert row["label"] in about["families"][row["family"]]
            assert (row["frames"], row["fps"]) == ("24", "12")
            assert len(decode(every_class / row["path"])) == 24
            assert (row["label"] in about["pairs"].get(row["pair"], [])) == (row["family"] != "control")


def test_a_clip_and_its_reversal_have_identical_frames(every_class: Path) -> None:
    groups = pairs_of(every_class)
    assert len(groups) == 3 * len(PAIRS)
    for first, second in groups.values():
        forward, backward = decode(first), decode(second)
        np.testing.assert_array_equal(backward[::-1], forward)
        assert not np.array_equal(backward, forward)  # a clip equal to its own reversal would make the test meaningless
        for segments in (8, 16, 32):  # so the sampled frames are the same, too
            at = segment_indices(24, segments)
            np.testing.assert_array_equal(backward[at][::-1], forward[at])


def test_the_frames_of_a_pairs_classes_are_the_same_multiset(every_class: Path) -> None:
    """So no function of single frames can distinguish the classes of a pair."""
    frames: dict[str, Counter[bytes]] = {}
    for row in rows(every_class, "train"):
        frames.setdefault(row["label"], Counter()).update(f.tobytes() for f in decode(every_class / row["path"]))
    for _, first, second in PAIRS.values():
        assert frames[first] == frames[second]
    assert frames["move_left"] != frames["move_up"]


def test_a_group_is_in_one_split_and_has_one_clip_per_class_of_the_pair(every_class: Path) -> None:
    seen: set[str] = set()
    for split in ("train", "val", "test"):
        groups = Counter(row["group"] for row in rows(every_class, split))
        assert seen.isdisjoint(groups)
        seen.update(groups)
        for row in rows(every_class, split):
            assert groups[row["group"]] == (2 if row["pair"] else 1)


def test_files_do_not_depend_on_workers_or_number_of_clips(tmp_path: Path) -> None:
    make_data(tmp_path / "one", "tiny", seed=5, size=32, workers=1)
    calls: list[tuple[int, int]] = []
    make_data(tmp_path / "two", "tiny", seed=5, size=32, workers=2, progress=lambda *call: calls.append(call))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert calls[-1] == (36, 36)
    assert calls == sorted(calls)
    make_data(tmp_path / "fewer", "tiny", seed=5, size=32, workers=1, clips_per_class=1)
    fewer, one = contents(tmp_path / "fewer"), contents(tmp_path / "one")
    assert all(one[name] == data for name, data in fewer.items() if name.endswith(".mp4"))
    make_data(tmp_path / "other", "tiny", seed=6, size=32, workers=1, clips_per_class=1)
    other = contents(tmp_path / "other")
    videos = [name for name in fewer if name.endswith(".mp4")]
    assert len({fewer[name] for name in videos} | {other[name] for name in videos}) == 2 * len(videos)  # all different


def test_an_interrupted_rendering_is_continued(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > 10:
            raise KeyboardInterrupt

    options = {"seed": 1, "size": 32, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        make_data(tmp_path / "a", "tiny", progress=interrupt, **options)
    assert not (tmp_path / "a" / "dataset.json").exists()
    rest = make_data(tmp_path / "a", "tiny", **options)
    whole = make_data(tmp_path / "b", "tiny", **options)
    assert 0 < rest["rendered"] < whole["rendered"] == 36
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    again = make_data(tmp_path / "a", "tiny", **options)
    assert again == {**rest, "rendered": 0}
    (tmp_path / "a/videos/test/red_disc/red_disc_00001.mp4").unlink()
    assert make_data(tmp_path / "a", "tiny", **options)["rendered"] == 1
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_result_is_json_with_clip_counts(tmp_path: Path) -> None:
    result = make_data(tmp_path / "d", "tiny", size=32, workers=1)
    assert json.loads(json.dumps(result)) == result
    assert result["clips"] == {"train": 18, "val": 6, "test": 12}
    for split in ("train", "val", "test"):
        assert len(rows(tmp_path / "d", split)) == result["clips"][split]
        assert result[split] == str(tmp_path / "d" / f"{split}.csv")


def test_a_folder_with_other_content_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SpatempoError, match="not empty and contains no generated data set"):
        make_data(tmp_path, "tiny")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    make_data(tmp_path / "d", "tiny", size=32, clips_per_class=1, workers=1)
    before = contents(tmp_path / "d")
    for change in ({"seed": 1}, {"size": 34}, {"clips_per_class": 2}, {"preset": "demo"}):
        with pytest.raises(SpatempoError, match="another preset, seed, option or version"):
            make_data(tmp_path / "d", **{"preset": "tiny", "size": 32, "clips_per_class": 1, **change})
    (tmp_path / "file").write_text("")
    with pytest.raises(SpatempoError, match=r"file: cannot write the data set"):
        make_data(tmp_path / "file", "tiny")
    assert contents(tmp_path / "d") == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "huge"}, "no preset 'huge'.*tiny, demo"),
        ({"size": 63}, "size=63"),
        ({"frames": 32}, "frames=32 is not possible"),
        ({"frames": 8}, "frames=8 is not possible"),
        ({"clips_per_class": 0}, "clips_per_class=0"),
        ({"seed": -1}, "seed=-1"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_invalid_options_are_errors(tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(SpatempoError, match=words) as caught:
        make_data(tmp_path / "d", **{"preset": "tiny", **options})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "d").exists()


def test_without_scikit_image_the_error_gives_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "find_spec", lambda name: None)
    photos.pyramids.cache_clear()
    with pytest.raises(SpatempoError, match=r"pip install 'spatempo\[generate\]'"):
        make_data(tmp_path / "d", "tiny")


def test_a_crashed_worker_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class CrashingPool:
        def __init__(self, *args: object, **options: object) -> None: ...
        def __enter__(self) -> CrashingPool:
            return self

        def __exit__(self, *error: object) -> None: ...
        def shutdown(self, **options: object) -> None: ...
        def map(self, *args: object, **options: object) -> object:
            raise making.BrokenProcessPool

    monkeypatch.setattr(making, "ProcessPoolExecutor", CrashingPool)
    with pytest.raises(SpatempoError, match="workers=1"):
        make_data(tmp_path / "d", "tiny", workers=2)


def test_rendering_does_not_import_torch_or_opencv() -> None:
    code = "import sys, spatempo.data.generated.{}; print(*sys.modules)"
    for module, heavy in (("make", {"torch", "cv2", "skimage"}), ("presets", {"torch", "numpy", "av"})):
        done = subprocess.run([sys.executable, "-c", code.format(module)], capture_output=True, text=True, check=True)
        assert heavy.isdisjoint(done.stdout.split())


def test_presets_are_sampled_symmetrically_and_have_distinct_classes() -> None:
    for preset in PRESETS.values():
        assert get_preset(preset.name) == preset
        assert len(set(preset.classes)) == 2 * len(preset.pairs) + len(preset.controls)
        for segments in (8, 16, 32):
            at = segment_indices(preset.frames, segments)
            np.testing.assert_array_equal(preset.frames - 1 - at[::-1], at)
    half = get_preset("demo", clips_per_class=70)
    assert (half.train, half.val, half.test) == (70, 5, 20)


def test_the_contact_sheet_is_a_small_png(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert sheet.main([str(tmp_path / "sheet.png")]) == 0
    assert 20_000 < (tmp_path / "sheet.png").stat().st_size < 300_000
    assert sheet.main([str(tmp_path / "absent" / "sheet.png")]) == 2
    assert "absent" in capsys.readouterr().err
