"""Trees of videos: which clips are used, of which class, and that real data sets are understood."""

import os

import numpy as np
import pytest

from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.data.videos.decoding import decode
from ucf11lib.errors import UserError


def test_prepare_real_ucf11_clip(tmp_path, prepare_videos, videos):
    store = prepare_videos(tmp_path / "s", videos / "ucf11_sample", source="ucf11")
    assert store.frames.shape == (5, 30, 64, 64, 3)
    assert store.info.frames_read == 151
    assert (store.source, store.classes) == ("ucf11", ("biking",))
    assert set(store.groups) == {"biking/v_biking_01"}
    assert set(store.clips) == {"biking/v_biking_01/v_biking_01_01"}
    assert store.index["first_frame"].tolist() == [0, 30, 60, 90, 120]
    assert store.info.left_out == []
    store.verify()


def test_prepare_weizmann_subjects_are_groups(tmp_path, capsys, prepare_videos, videos):
    store = prepare_videos(tmp_path / "s", videos / "weizmann")
    assert len(store.classes) == 10
    subjects = {"daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar"}
    assert set(store.groups) == subjects
    assert len(set(store.clips)) + len(store.info.left_out) == 90
    assert store.info.origin["groups"] == "Weizmann names"
    assert "warning" not in capsys.readouterr().err


def test_prepare_ucf101_groups(tmp_path, prepare_videos, videos):
    store = prepare_videos(tmp_path / "s", videos / "ucf101_sample")
    assert store.classes == ("Biking", "Diving", "Swing", "WalkingWithDog")
    biking = {group for group in store.groups if group.startswith("Biking")}
    assert biking == {"Biking/g01", "Biking/g02", "Biking/g06"}
    assert (len(set(store.groups)), len(set(store.clips))) == (6, 11)


def test_prepare_ignores_annotations_and_other_files(tmp_path, write_video, prepare_videos):
    root = tmp_path / "in" / "UCF11_updated_mpg"
    write_video(root / "biking/v_biking_01/v_biking_01_01.MPG", 31)
    for name in (
        "biking/Annotation/v_biking_01_01.mpg",
        "biking/v_biking_01/ANNOTATION/x.mpg",
        "biking/.cache/x.mpg",
        "biking/v_biking_01/._v_biking_01_01.mpg",
        "biking/v_biking_01/v_biking_01_01.xgtf",
        ".hidden/x.mpg",
        "Annotation/x.mpg",
        "notes/read.txt",
        "loose.mpg",
        "../UCF11_updated_mpg.rar",
        "../.DS_Store",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("no video")
    for folder in (root, tmp_path / "in"):
        store = prepare_videos(tmp_path / f"s-{folder.name}", folder, source="ucf11")
        assert list(store.clips) == ["biking/v_biking_01/v_biking_01_01"]
        assert store.info.left_out == []
        assert store.info.frames_read == 31
        notes = {item["file"]: item["reason"] for item in store.info.notes}
        outside = {f"../{name}" for name in ("UCF11_updated_mpg.rar", ".DS_Store")}
        assert {name for name in notes if name[:3] == "../"} == (
            outside if folder != root else set()
        )
        assert {name: reason for name, reason in notes.items() if name not in outside} == {
            ".hidden": "a hidden name",
            "Annotation": "annotations",
            "biking/.cache": "a hidden name",
            "biking/Annotation": "annotations",
            "biking/v_biking_01/ANNOTATION": "annotations",
            "biking/v_biking_01/._v_biking_01_01.mpg": "a hidden name",
            "biking/v_biking_01/v_biking_01_01.xgtf": "not a video",
            "loose.mpg": "not in a class folder",
            "notes/read.txt": "not a video",
        }


def test_prepare_uses_no_photo_and_no_data_beside_a_clip(tmp_path, write_video, prepare_videos):
    clip = write_video(tmp_path / "in" / "biking" / "g" / "c.mp4", codec="libx264")
    photo = clip.read_bytes().replace(b"ftypisom", b"ftypavif", 1)  # as a telephone's live photo
    assert photo != clip.read_bytes()
    clip.with_suffix(".avif").write_bytes(photo)
    clip.with_name("features.bin").write_bytes(np.random.default_rng(0).bytes(40_000))
    write_video(tmp_path / "in" / "diving" / "g" / "c.mpg")
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert list(store.clips) == ["biking/g/c", "diving/g/c"]
    names = {"biking/g/c.avif", "biking/g/features.bin"}
    assert {note["file"] for note in store.info.notes} == names


def test_prepare_order_of_classes(tmp_path, write_video, prepare_videos):
    wanted = [name for name in MOTIONS if name in ("walking", "golf_swing", "basketball")]
    for name in reversed(wanted):
        write_video(tmp_path / "in" / name / "g" / "c.mpg")
    store = prepare_videos(tmp_path / "s", tmp_path / "in", source="ucf11")
    assert store.info.classes == tuple(wanted)
    assert store.labels.tolist() == [0, 1, 2]
    write_video(tmp_path / "in" / "Zebra" / "g" / "c.mpg")
    assert prepare_videos(tmp_path / "t", tmp_path / "in").info.classes == ("Zebra", *wanted)
    with pytest.raises(UserError, match=r"not classes of UCF-11: Zebra; try --source videos"):
        prepare_videos(tmp_path / "u", tmp_path / "in", source="ucf11")


def test_prepare_follows_links_and_uses_no_file_twice(tmp_path, write_video, prepare_videos):
    for name in ("far/g1/c.mpg", "in/b/g1/c.mpg"):
        write_video(tmp_path / name)
    folder = tmp_path / "in"
    (folder / "a").mkdir()
    (folder / "a/g1").symlink_to(tmp_path / "far/g1")
    (folder / "b/g2").symlink_to(folder / "b/g1")
    (folder / "b/up").symlink_to("..")
    (folder / "b/out").symlink_to(tmp_path)
    (folder / "b/g1/again.mpg").hardlink_to(folder / "b/g1/c.mpg")
    (folder / "b/g1/gone.mpg").symlink_to("nowhere")
    os.mkfifo(folder / "b/g1/pipe.mpg")
    store = prepare_videos(tmp_path / "s", folder)
    assert list(store.groups) == ["a/g1", "b/g1"]
    assert {item["file"]: item["reason"] for item in store.info.notes} == {
        "b/g1/c.mpg": "the same file as b/g1/again.mpg",
        "b/g1/gone.mpg": "a link to nothing",
        "b/g1/pipe.mpg": "not an ordinary file",
        "b/g2": "the same folder as b/g1",
        "b/up": "the same folder as .",
        "b/out": "a link to a folder that holds this one",
    }


def test_prepare_decides_by_content(tmp_path, write_video, prepare_videos):
    write_video(tmp_path / "in/a/c.mpg").rename(tmp_path / "in/a/c.dat")
    write_video(tmp_path / "in/b/c.wmv", 30, "wmv2")
    write_video(tmp_path / "in/b/d.flv", 30, "flv1")
    for i in range(5):
        (tmp_path / f"in/b/{i}.txt").write_text("no video")
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert list(store.clips) == ["a/c", "b/c", "b/d"]
    assert store.info.notes == [{"file": "b/* (5 files)", "reason": "not a video"}]


def test_prepare_class_without_a_sequence_is_named(tmp_path, write_video, prepare_videos):
    write_video(tmp_path / "in/a/1.mpg")
    write_video(tmp_path / "in/jump/2.mpg", 12)
    with pytest.raises(UserError, match=r"class jump has no sequence.*jump/2: 12 frames, fewer"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    assert os.listdir(tmp_path) == ["in"]


def test_prepare_names_that_differ_in_an_underscore_stay_apart(
    tmp_path, write_video, prepare_videos
):
    for name in ("soccer_juggling", "soccer juggling"):
        write_video(tmp_path / "in" / name / "1.mpg")
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert store.classes == ("soccer juggling", "soccer_juggling")


@pytest.mark.parametrize(
    ("file", "folder", "options", "message"),
    [
        ("x.mpg", "", {}, r"in: no class folder.*expected <class>/<clip>\.mpg"),
        ("a/notes.txt", "", {}, r"in: no class folder"),
        ("a/Annotation/x.mpg", "", {}, r"in: no class folder"),
        ("x.mpg", "x.mpg", {}, "x.mpg: no such folder; give --data"),
        ("x.mpg", "nowhere", {}, "nowhere: no such folder; give --data"),
        ("a/x.mpg", "", {"workers": 0}, "--workers 0: give 1 or more"),
        ("a/x.mpg", "", {"broken": 2}, "--broken 2: give a share"),
    ],
)
def test_prepare_refuses_trees_and_options(
    tmp_path, file, folder, options, message, prepare_videos
):
    (tmp_path / "in" / file).parent.mkdir(parents=True)
    (tmp_path / "in" / file).write_bytes(b"")
    with pytest.raises(UserError, match=message):
        prepare_videos(tmp_path / "s", tmp_path / "in" / folder, **options)
    assert os.listdir(tmp_path) == ["in"]


def test_prepare_window_stride_and_size(tmp_path, write_video, prepare_videos):
    file = write_video(tmp_path / "in/a/g/c.mpg", 50)
    store = prepare_videos(tmp_path / "s", tmp_path / "in", window=16, stride=8, size=24)
    assert "5 sequences of 16x24x24x3 every 8 frames" in store.summary()
    assert store.index["first_frame"].tolist() == [0, 8, 16, 24, 32]
    frames = decode(file, 24).frames
    for start, sequence in zip(range(0, 40, 8), store.frames, strict=True):
        np.testing.assert_array_equal(sequence, frames[start : start + 16])
    assert prepare_videos(tmp_path / "f", tmp_path / "in", fps=60).info.frames_read == 50
