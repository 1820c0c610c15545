"""Manifests from folders of classes, CSV tables and published lists."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def one_line(error: pytest.ExceptionInfo[SpatempoError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def touch(root: Path, *names: str) -> None:
    for name in names:
        write(root / name, b"x")


# Folder of class folders -------------------------------------------------------------------------------------------


def test_folder_per_class(tmp_path):
    touch(tmp_path, "wave/b.mp4", "wave/a.AVI", "wave/notes.txt", "clap/deep er/c.mkv", "clap/.hidden.mp4")
    touch(tmp_path, "clap/frames 1/img_00001.jpg", "clap/frames 1/img_00002.jpg", ".git/x/y.mp4", "README.md")
    manifest = load_manifest(tmp_path)
    assert manifest.classes == ("clap", "wave")
    root = tmp_path.resolve()
    found = [(Path(s.path).relative_to(root).as_posix(), s.label) for s in manifest.samples]
    assert found == [("clap/deep er/c.mkv", 0), ("clap/frames 1", 0), ("wave/a.AVI", 1), ("wave/b.mp4", 1)]


def test_numbered_classes_are_sorted_by_value(tmp_path):
    touch(tmp_path, "10/a.mp4", "9/b.mp4", "1/c.mp4")
    assert load_manifest(tmp_path).classes == ("1", "9", "10")


def test_names_with_accents_are_composed(tmp_path):
    decomposed = unicodedata.normalize("NFD", "café")
    touch(tmp_path, f"{decomposed}/ä ö.mp4", "thé/b.mp4")
    manifest = load_manifest(tmp_path, classes=["thé", "café"])
    assert [s.label for s in manifest.samples] == [1, 0]
    assert Path(manifest.samples[0].path).exists()


def test_classes_file_gives_the_order(tmp_path):
    touch(tmp_path, "a/1.mp4", "b/2.mp4")
    write(tmp_path / "classes.txt", "c\n\nb\na\n")
    manifest = load_manifest(tmp_path)
    assert manifest.classes == ("c", "b", "a")
    assert [s.label for s in manifest.samples] == [2, 1]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "no class folders"),
        (["x.mp4"], "no class folders"),
        (["a/1.mp4", "b/notes.txt"], "b: no videos"),
        (["a/1.mp4", "b/2.mp4", "loose.mp4"], "loose.mp4: is outside the class folders"),
        (["a/1.jpg", "b/2.mp4"], "a: images, not clips"),
        (["train.csv"], "train.csv"),
        (["videos/1.mp4", "train.csv", "val.csv"], "train.csv"),
    ],
)
def test_folders_without_a_data_set_are_errors(tmp_path, files, says):
    touch(tmp_path, *files)
    with pytest.raises(SpatempoError, match=says) as error:
        load_manifest(tmp_path)
    assert str(tmp_path) in one_line(error)


def test_a_class_folder_unknown_to_the_model_is_an_error(tmp_path):
    touch(tmp_path, "wave/1.mp4", "juggle/2.mp4")
    with pytest.raises(SpatempoError, match=r"'juggle' \(juggle.2.mp4\) is not one of the 2 classes \(clap, wave\)"):
        load_manifest(tmp_path, classes=["clap", "wave"])


def test_a_link_out_of_the_folder_is_an_error(tmp_path):
    touch(tmp_path, "out/x.mp4", "data/a/1.mp4")
    (tmp_path / "data" / "a" / "2.mp4").symlink_to(tmp_path / "out" / "x.mp4")
    with pytest.raises(SpatempoError, match=r"2\.mp4.* outside "):
        load_manifest(tmp_path / "data")


# CSV ---------------------------------------------------------------------------------------------------------------


def test_csv_with_optional_columns(tmp_path):
    table = write(
        tmp_path / "train.csv",
        "label,path,scene,frames,other\nwave,a b.mp4,kitchen,81,1\nclap,sub/c.mp4,,,2\n",
    )
    manifest = load_manifest(table)
    assert manifest.classes == ("clap", "wave")
    assert manifest.root == tmp_path.resolve()
    first, second = manifest.samples
    assert (first.label, first.frames, first.group, Path(first.path).name) == (1, 81, "kitchen", "a b.mp4")
    assert (second.label, second.frames, second.group) == (0, None, None)


def test_csv_of_the_generated_data(tmp_path):
    table = write(tmp_path / "t.csv", "path,label,family,pair,group,frames,fps\nv.mp4,left,direction,right,s1,16,12\n")
    (sample,) = load_manifest(table).samples
    assert (sample.family, sample.pair, sample.group, sample.frames) == ("direction", "right", "s1", 16)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_with_other_line_ends_and_byte_order_mark(tmp_path, end, mark):
    text = end.join(["path,label", "", '"ä, b.mp4",wave', ",", '"x ""y"".mp4",  clap ', ""])
    manifest = load_manifest(write(tmp_path / "t.CSV", mark + text.encode()))
    assert [Path(s.path).name for s in manifest.samples] == ["ä, b.mp4", 'x "y".mp4']
    assert manifest.classes == ("clap", "wave")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("path,class\na.mp4,x\n", 1, "no column 'label' .*found: path, class"),
        ("a.mp4,x\n", 1, "no column 'path'"),
        ("path;label\na.mp4;x\n", 1, "commas"),
        ("", 1, "no column 'path'"),
        ("path,label,path\na.mp4,x,b\n", 1, "'path' appears twice"),
        ("path,label\n\na.mp4\n", 3, "1 fields, but the header has 2"),
        ("path,label\na.mp4,x\nb, c.mp4,x\n", 3, "3 fields"),
        ('path,label\na.mp4,x\n"b.mp4,x\n', 3, "invalid row"),
        ('path,label\n"a"b.mp4,x\n', 2, "invalid row"),
        ("path,label\na.mp4, \n", 2, "label is empty"),
        ("path,label\n ,x\n", 2, "path is empty"),
        ("path,label,frames\na.mp4,x,many\n", 2, "'many'"),
        ("path,label,frames\na.mp4,x,0\n", 2, "'0'"),
        ("path,label\na.mp4,x\nb.mp4,x\na.mp4,x\n", 4, "already at .*t.csv:2"),
        ("path,label\na.mp4,x\nsub/../a.mp4,y\n", 3, "already at .*t.csv:2"),
        ("path,label\nok.mp4,x\n../b.mp4,x\n", 3, "outside"),
        ("path,label\nsub/../../b.mp4,x\n", 2, "outside"),
        ("path,label\n/etc/passwd,x\n", 2, "absolute"),
        ("path,label\nC:\\b.mp4,x\n", 2, "absolute"),
        ("path,label\nlink/b.mp4,x\n", 2, "outside"),
        ("path,label\na\0b.mp4,x\n", 2, "null|NUL"),
        (b"path,label\na.mp4,x\n\xff\xfe.mp4,x\n", 3, "not UTF-8"),
    ],
)
def test_invalid_csv_error_names_file_and_line(tmp_path, text, line, says):
    (tmp_path / "out").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "out")
    table = write(tmp_path / "data" / "t.csv", text)
    with pytest.raises(SpatempoError, match=says) as error:
        load_manifest(table)
    assert one_line(error).startswith(f"{table}:{line}: ")


def test_line_numbers_count_lines_inside_quotes(tmp_path):
    table = write(tmp_path / "t.csv", 'path,label\n"a\nb.mp4",x\nc.mp4\n')
    with pytest.raises(SpatempoError, match=r"t\.csv:4: "):
        load_manifest(table)


def test_a_link_inside_the_root_is_followed(tmp_path):
    touch(tmp_path, "real/a.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (sample,) = load_manifest(write(tmp_path / "t.csv", "path,label\nlink/a.mp4,x\n")).samples
    assert sample.path == str((tmp_path / "real" / "a.mp4").resolve())


def test_the_root_may_be_a_link(tmp_path):
    touch(tmp_path, "real/a.mp4")
    write(tmp_path / "real" / "t.csv", "path,label\na.mp4,x\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(load_manifest(tmp_path / "link" / "t.csv")) == 1


def test_a_missing_video_is_not_skipped(tmp_path):
    manifest = load_manifest(write(tmp_path / "t.csv", "path,label\ngone.mp4,x\n"))
    assert [os.path.basename(s.path) for s in manifest.samples] == ["gone.mp4"]


def test_csv_with_the_classes_of_a_model(tmp_path):
    table = write(tmp_path / "val.csv", "path,label\na.mp4,wave\nb.mp4,wave\n")
    assert [s.label for s in load_manifest(table, classes=["clap", "jump", "wave"]).samples] == [2, 2]
    with pytest.raises(SpatempoError, match=r"val\.csv:2: label 'wave' \(a\.mp4\) is not one of the 2 classes"):
        load_manifest(table, classes=["clap", "jump"])


def test_number_labels_are_resolved_to_known_names(tmp_path):
    table = write(tmp_path / "t.csv", "path,label\na.mp4,2\nb.mp4,0\n")
    assert load_manifest(table).classes == ("0", "2")  # no other names are known, so the numbers are the names
    write(tmp_path / "classes.txt", "wave\nclap\njump\n")
    manifest = load_manifest(table)
    assert manifest.classes == ("wave", "clap", "jump")
    assert [s.label for s in manifest.samples] == [2, 0]
    # a model with the same names in another order: a class keeps its name, not its number
    assert [s.label for s in load_manifest(table, classes=["clap", "jump", "wave"]).samples] == [1, 2]
    write(tmp_path / "t.csv", "path,label\na.mp4,2\nb.mp4,3\n")
    with pytest.raises(SpatempoError, match=r"t\.csv:3: label 3 .*3 classes, numbered from 0"):
        load_manifest(table)


# Published lists ---------------------------------------------------------------------------------------------------


def test_published_list(tmp_path):
    table = write(tmp_path / "train_videofolder.txt", "\ufeffv 1/img dir 40 2\r\n\r\nclip.mp4 7 0\r\n")
    manifest = load_manifest(table, template="img_{:05d}.jpg")
    assert [(Path(s.path).relative_to(manifest.root).as_posix(), s.frames, s.label) for s in manifest.samples] == [
        ("v 1/img dir", 40, 2),
        ("clip.mp4", 7, 0),
    ]
    assert manifest.classes == ("0", "1", "2")
    assert manifest.template == "img_{:05d}.jpg"


@pytest.mark.parametrize("name", ["classes.txt", "category.txt"])
def test_published_list_with_names(tmp_path, name):
    table = write(tmp_path / "list.txt", "a 40 2\nb 7 0\n")
    write(tmp_path / name, "Doing other things\nDrumming Fingers\nNo gesture\n")
    manifest = load_manifest(table)
    assert [manifest.classes[s.label] for s in manifest.samples] == ["No gesture", "Doing other things"]


def test_published_list_with_the_classes_of_a_model(tmp_path):
    table = write(tmp_path / "list.txt", "a 40 1\n")
    assert load_manifest(table, classes=["x", "y"]).samples[0].label == 1
    with pytest.raises(SpatempoError, match=r"list\.txt:1: label 1 "):
        load_manifest(table, classes=["x"])


def test_root_in_another_folder(tmp_path):
    touch(tmp_path, "frames/v/img_00001.jpg")
    table = write(tmp_path / "lists" / "a.txt", "v 1 0\n")
    (sample,) = load_manifest(table, root=tmp_path / "frames").samples
    assert sample.path == str((tmp_path / "frames" / "v").resolve())
    with pytest.raises(SpatempoError, match="not a folder"):
        load_manifest(table, root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a 40 0\nb 40\n", 2, "not 'path frames label'"),
        ("a 40 -1\n", 1, "label '-1'"),
        ("a 40 wave\n", 1, "label 'wave'"),
        ("a x 1\n", 1, "frames is 'x'"),
        ("a 0 1\n", 1, "frames is '0'"),
        ("a 5 0\n../b 5 0\n", 2, "outside"),
        ("a 5 0\n/b 5 0\n", 2, "absolute"),
        ("a 5 999999\n", 1, "not a class number"),
        ("a 5 0\na 5 1\n", 2, "already at"),
    ],
)
def test_invalid_list_error_names_file_and_line(tmp_path, text, line, says):
    table = write(tmp_path / "list.txt", text)
    with pytest.raises(SpatempoError, match=says) as error:
        load_manifest(table)
    assert one_line(error).startswith(f"{table}:{line}: ")


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
def test_table_without_clips(tmp_path, name):
    table = write(tmp_path / name, "path,label\n" if name == "t.csv" else "\n")
    with pytest.raises(SpatempoError, match="no clips in it"):
        load_manifest(table)


def test_repeated_and_missing_class_names_are_errors(tmp_path):
    table = write(tmp_path / "list.txt", "a 4 0\n")
    names = write(tmp_path / "classes.txt", "wave\nclap\nwave\n")
    with pytest.raises(SpatempoError, match="already on line 1") as error:
        load_manifest(table)
    assert one_line(error).startswith(f"{names}:3: ")
    write(names, "\n")
    with pytest.raises(SpatempoError, match="no class names"):
        load_manifest(table)


def test_missing_sources_and_videos_are_errors(tmp_path):
    with pytest.raises(SpatempoError, match="no such file"):
        load_manifest(tmp_path / "gone")
    touch(tmp_path, "clip.mp4")
    with pytest.raises(SpatempoError, match="not a table"):
        load_manifest(tmp_path / "clip.mp4")


def test_real_gestures(gestures):
    train = load_manifest(gestures / "train.csv")
    val = load_manifest(gestures / "val.csv", classes=train.classes)
    assert (len(train), len(val), len(train.classes)) == (259, 30, 10)
    assert not {s.group for s in train.samples if s.group != "other"} & {s.group for s in val.samples}
