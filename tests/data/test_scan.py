"""Scanning clips: properties, unreadable files, the manifest that is written, worker processes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from spatempo.data._parallel import CRASHED, run_all
from spatempo.data.manifest import load_manifest
from spatempo.data.scan import COLUMNS, scan, write_manifest
from spatempo.errors import SpatempoError


def test_scan_a_folder_of_classes(clips):
    found = scan(clips, workers=0)
    assert (found.clips, found.readable, found.unreadable) == (6, 6, [])
    row = {r["path"]: r for r in found.rows}["wave/clip 2.mp4"]
    assert row == {
        "path": "wave/clip 2.mp4",
        "label": "wave",
        "frames": 7,
        "fps": 10.0,
        "width": 64,
        "height": 48,
        "duration": pytest.approx(0.7, abs=0.11),
    }


def test_flat_folder_and_single_file_have_no_labels(write_clip, tmp_path):
    write_clip(tmp_path / "ä b.mp4")
    (tmp_path / "LICENSE").write_text("x")
    for source in (tmp_path, tmp_path / "ä b.mp4"):
        found = scan(source, workers=0)
        assert [(r["path"], r["label"], r["frames"]) for r in found.rows] == [("ä b.mp4", "", 12)]


@pytest.mark.parametrize("full", [False, True])
def test_unreadable_clips_are_listed_with_their_reason(write_clip, tmp_path, full):
    write_clip(tmp_path / "a" / "good.mp4")
    (tmp_path / "a" / "text.mp4").write_text("no video")
    (tmp_path / "a" / "empty.avi").touch()
    found = scan(tmp_path, workers=0, full=full)
    assert (found.clips, found.readable) == (3, 1)
    assert [Path(u["path"]).name for u in found.unreadable] == ["empty.avi", "text.mp4"]
    assert all(u["reason"] and "\n" not in u["reason"] for u in found.unreadable)


def test_a_table_is_checked_against_its_files(clips):
    table = clips / "t.csv"
    table.write_text("path,label,frames\nwave/clip 0.mp4,w,12\nwave/clip 1.mp4,w,13\nwave/gone.mp4,w,12\n")
    found = scan(table, workers=0)
    table.unlink()
    assert [r["label"] for r in found.rows] == ["w"]
    reasons = {Path(u["path"]).name: u["reason"] for u in found.unreadable}
    assert "gives 13 frames, but 12 can be read" in reasons["clip 1.mp4"]
    assert "no such file" in reasons["gone.mp4"].lower()


def test_the_written_manifest_can_be_loaded(clips, tmp_path):
    for out in (clips / "manifest.csv", clips.parent / "all clips.csv"):
        found = scan(clips, workers=0, out=out)
        assert found.manifest == str(out)
        with open(out, newline="", encoding="utf-8") as file:
            assert tuple(next(csv.reader(file))) == COLUMNS
        written, direct = load_manifest(out), load_manifest(clips)
        assert written.classes == direct.classes
        assert [(s.path, s.label) for s in written.samples] == [(s.path, s.label) for s in direct.samples]
        assert {s.frames for s in written.samples} == {7, 12}
        out.unlink()
    with pytest.raises(SpatempoError, match="below its own folder"):
        scan(clips, workers=0, out=tmp_path / "elsewhere.csv")


@pytest.mark.parametrize(
    "label", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", 'a "b", c', "\ta\nb", "\x1b[31mred", "7"]
)
def test_labels_are_quoted_and_read_back_unchanged(clips, label):
    """Including labels that a spreadsheet would read as a formula."""
    table, out = clips / "t.csv", clips / "out.csv"
    rows = [{"path": f"wave/clip {i}.mp4", "label": label, "frames": 12, "fps": 10.0} for i in range(2)]
    write_manifest(table, rows)
    scan(table, workers=0, out=out)
    text = out.read_text(encoding="utf-8")
    with open(out, newline="", encoding="utf-8") as file:
        header, *read = csv.reader(file)
    samples = load_manifest(out)
    table.unlink()
    out.unlink()
    assert tuple(header) == COLUMNS
    assert [row[:3] for row in read] == [[f"wave/clip {i}.mp4", label.strip(), "12"] for i in range(2)]
    assert samples.classes == (label.strip(),)
    quoted = '"' + label.strip().replace('"', '""') + '"'
    assert f'"wave/clip 0.mp4",{quoted},12,10.0,' in text


def test_groups_of_a_table_are_kept(clips):
    table, out = clips / "t.csv", clips / "out.csv"
    table.write_text("path,label,scene,family\nwave/clip 0.mp4,w,kitchen,control\nwave/clip 1.mp4,w,,\n")
    scan(table, workers=0, out=out)
    samples = load_manifest(out).samples
    table.unlink()
    out.unlink()
    assert [(s.group, s.family, s.pair) for s in samples] == [("kitchen", "control", None), (None, None, None)]


def test_a_manifest_that_cannot_be_written_leaves_the_old_one(clips, monkeypatch):
    out = clips / "manifest.csv"
    out.write_text("old")

    def full_disk(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full_disk)
    with pytest.raises(SpatempoError, match=r"manifest\.csv: cannot be written \(No space left on device\)"):
        scan(clips, workers=0, out=out)
    assert out.read_text() == "old"
    assert [p.name for p in clips.iterdir() if p.name.endswith(".part")] == []
    out.unlink()


def test_scan_without_clips_is_an_error(tmp_path):
    with pytest.raises(SpatempoError, match="no videos or frame folders"):
        scan(tmp_path)
    with pytest.raises(SpatempoError, match="no such file"):
        scan(tmp_path / "gone")


def test_progress_counts_up(clips):
    calls = []
    scan(clips, workers=0, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 6) for i in range(1, 7)]


def test_worker_processes_give_the_same_result(clips):
    assert scan(clips, workers=2) == scan(clips, workers=0)


def crash_on_three(n: int) -> int:
    if n == 3:
        import os

        os._exit(11)
    return 10 * n


def raise_error(n: int) -> int:
    raise SpatempoError(f"{n}: no")


def test_a_crash_loses_only_the_item_that_caused_it():
    calls = []
    results = run_all(crash_on_three, list(range(9)), 2, lambda done, total: calls.append(done))
    assert results == [CRASHED if n == 3 else 10 * n for n in range(9)]
    assert calls[-1] == 9


def test_an_error_in_a_process_is_raised():
    with pytest.raises(SpatempoError, match="no"):
        run_all(raise_error, list(range(50)), 2)


def test_unusual_files_are_read_or_reported():
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "codec_cases"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/codec_cases next to the checkout")
    found = scan(folder, workers=0)
    assert found.clips == 14
    assert found.readable + len(found.unreadable) == 14
    frames = {r["path"]: r["frames"] for r in found.rows}
    assert frames["discard_first_keyframe.mp4"] == 25  # its header says 30
