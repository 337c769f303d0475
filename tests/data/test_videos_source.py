"""Trees of videos: which clips are used, of which class, and that real data sets are understood."""

import os

import pytest

from ucf11lib.data.synthetic.motions import MOTIONS
from ucf11lib.errors import UserError


def test_the_one_real_ucf11_clip(tmp_path, prepare_videos, videos):
    made = prepare_videos(tmp_path / "s", videos / "ucf11_sample", source="ucf11")
    assert made.frames.shape == (5, 30, 64, 64, 3)
    assert made.info.frames_read == 151
    assert made.classes == ("biking",)
    assert set(made.groups) == {"biking/v_biking_01"}
    assert set(made.clips) == {"biking/v_biking_01/v_biking_01_01"}
    assert made.index["first_frame"].tolist() == [0, 30, 60, 90, 120]
    assert made.info.left_out == []
    assert made.source == "ucf11"
    made.verify()


def test_weizmann_has_its_subjects_as_groups(tmp_path, capsys, prepare_videos, videos):
    made = prepare_videos(tmp_path / "s", videos / "weizmann")
    assert len(made.classes) == 10
    assert set(made.groups) == {
        "daria",
        "denis",
        "eli",
        "ido",
        "ira",
        "lena",
        "lyova",
        "moshe",
        "shahar",
    }
    assert len(set(made.clips)) + len(made.info.left_out) == 90
    assert made.info.origin["groups"] == "Weizmann names"
    assert "warning" not in capsys.readouterr().err


def test_ucf101_has_its_groups(tmp_path, prepare_videos, videos):
    made = prepare_videos(tmp_path / "s", videos / "ucf101_sample")
    assert made.classes == ("Biking", "Diving", "Swing", "WalkingWithDog")
    assert set(made.groups) == {
        *("Biking/g01", "Biking/g02", "Biking/g06"),
        *("Diving/g01", "Swing/g01", "WalkingWithDog/g01"),
    }
    assert len(set(made.clips)) == 11


def test_annotations_hidden_things_and_other_files_are_not_clips(
    tmp_path, write_video, prepare_videos
):
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
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("no video")
    (tmp_path / "in" / "UCF11_updated_mpg.rar").write_bytes(b"")
    (tmp_path / "in" / ".DS_Store").write_bytes(b"")
    for folder in (root, tmp_path / "in"):
        made = prepare_videos(tmp_path / f"s-{folder.name}", folder, source="ucf11")
        assert list(made.clips) == ["biking/v_biking_01/v_biking_01_01"]
        assert list(made.groups) == ["biking/v_biking_01"]
        assert made.info.left_out == []
        assert made.info.frames_read == 31


def test_ucf11_classes_stand_in_its_order_and_others_sorted(tmp_path, write_video, prepare_videos):
    for name in ("walking", "golf_swing", "basketball"):
        write_video(tmp_path / "in" / name / "g" / "c.mpg")
    wanted = ["basketball", "golf_swing", "walking"]
    assert [name for name in MOTIONS if name in wanted] == wanted
    made = prepare_videos(tmp_path / "s", tmp_path / "in", source="ucf11")
    assert made.info.classes == tuple(wanted)
    assert made.labels.tolist() == [0, 1, 2]
    write_video(tmp_path / "in" / "Zebra" / "g" / "c.mpg")
    assert prepare_videos(tmp_path / "t", tmp_path / "in").info.classes == ("Zebra", *wanted)
    with pytest.raises(UserError, match=r"not classes of UCF-11: Zebra; try --source videos"):
        prepare_videos(tmp_path / "u", tmp_path / "in", source="ucf11")


def test_linked_folders_are_followed(tmp_path, write_video, prepare_videos):
    write_video(tmp_path / "far/g1/c.mpg")
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/a/g1").symlink_to(tmp_path / "far/g1")
    (tmp_path / "in/b").symlink_to(tmp_path / "far")
    assert list(prepare_videos(tmp_path / "s", tmp_path / "in").groups) == ["a/g1", "b/g1"]


def test_two_files_of_one_name_are_refused(tmp_path, prepare_videos):
    for name in ("x.mpg", "x.avi"):
        (tmp_path / "in/a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in/a" / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"a/x\.avi and a/x\.mpg"):
        prepare_videos(tmp_path / "s", tmp_path / "in")


@pytest.mark.parametrize("files", [[], ["x.mpg"], ["a/notes.txt"], ["a/Annotation/x.mpg"]])
def test_a_folder_without_class_folders_is_refused(tmp_path, files, prepare_videos):
    (tmp_path / "in").mkdir()
    for name in files:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"in: no class folder.*expected <class>/<clip>\.mpg"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    assert os.listdir(tmp_path) == ["in"]


def test_no_folder_is_refused(tmp_path, prepare_videos):
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "nowhere"):
        with pytest.raises(UserError, match=f"{name}: no folder there; give --data"):
            prepare_videos(tmp_path / "s", tmp_path / name)
