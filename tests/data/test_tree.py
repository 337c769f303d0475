"""Which folders are classes."""

from pathlib import Path

import pytest

from ucf11lib.errors import UserError


def test_prepare_parts_of_a_split_are_no_classes(tmp_path, write_video, prepare_videos):
    for name in ("train/a/1.mpg", "train/b/2.mpg", "test/a/3.mpg", "test/b/4.mpg"):
        write_video(tmp_path / "in/UCF-101" / name)
    with pytest.raises(UserError, match=r"test, train are parts of a split.*--data .*test$"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    write_video(tmp_path / "in/UCF-101/extra/5.mpg")
    with pytest.raises(UserError, match=r"test, train are parts of a split.*--data .*test$"):
        prepare_videos(tmp_path / "s", tmp_path / "in/UCF-101")
    store = prepare_videos(tmp_path / "s", tmp_path / "in/UCF-101/train")
    assert (store.classes, store.info.notes) == (("a", "b"), [])


def test_prepare_classes_that_look_the_same(tmp_path, write_video, prepare_videos):
    for name in ("caf\u00e9", "cafe\u0301"):
        write_video(tmp_path / "in" / name / "1.mpg")
    with pytest.raises(UserError, match=r"one name in two forms of Unicode; rename one, or join"):
        prepare_videos(tmp_path / "s", tmp_path / "in")


@pytest.mark.parametrize(
    "names",
    [
        "train dev",
        "Train eval_set",
        "training-videos holdout 1",
        "train validate",
        "data_train data_test",
        "fold1 fold2",
    ],
)
def test_prepare_knows_other_names_of_parts(names, tmp_path, write_video, prepare_videos):
    parts = names.split(" ", 1)
    for part in parts:
        write_video(tmp_path / "in" / part / "walk/1.mpg")
    with pytest.raises(UserError, match="are parts of a split, not classes; give one of them"):
        prepare_videos(tmp_path / "s", tmp_path / "in")


def test_prepare_lists_empty_and_unreadable_folders_and_names_that_are_no_utf8(
    tmp_path, write_video, prepare_videos, monkeypatch
):
    for name in ("a/1.mpg", "b/2.mpg"):
        write_video(tmp_path / "in" / name)
    (tmp_path / "in" / "c" / "1").mkdir(parents=True)
    (tmp_path / "in" / "a" / "caf\udce9.txt").touch()
    closed = tmp_path / "in" / "d"
    closed.mkdir()
    listed = Path.iterdir

    def refused(path):  # the user "root" may read all
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    notes = {note["file"]: note["reason"] for note in store.info.notes}
    assert notes.pop("a/caf\\xe9.txt") == "not a video"
    assert notes == {"c/1": "an empty folder", "d": "not readable"}
    odd = tmp_path / "caf\udce9"
    (tmp_path / "in").rename(odd)
    with pytest.raises(UserError, match=r"caf\\udce9': not in UTF-8; rename the folder"):
        prepare_videos(tmp_path / "t", odd)


def test_prepare_is_not_changed_by_stores_in_the_folder(tmp_path, write_video, prepare_videos):
    for name in ("a/1.mpg", "b/2.mpg"):
        write_video(tmp_path / "in" / name)
    first = prepare_videos(tmp_path / "in/data/s", tmp_path / "in")
    second = prepare_videos(tmp_path / "t", tmp_path / "in")
    assert second.info.sha256 == first.info.sha256
    assert second.info.notes == [{"file": "data/s", "reason": "a store"}]


def test_prepare_only_folder_is_that_of_the_classes_and_says_so(
    tmp_path, write_video, prepare_videos
):
    for name in ("new/UCF-101/a/1.mpg", "new/UCF-101/b/2.mpg", "new/beside.mpg"):
        write_video(tmp_path / "in" / name)
    store = prepare_videos(tmp_path / "s", tmp_path / "in/new")
    assert store.classes == ("a", "b")
    assert store.info.notes == [
        {"file": ".", "reason": "the only folder in new, so its folders are the classes"},
        {"file": "../beside.mpg", "reason": "not in the folder of the classes"},
    ]
    outer = prepare_videos(tmp_path / "t", tmp_path / "in")  # in two folders
    assert outer.classes == ("new",)  # which has a video: it is a class
    (tmp_path / "in/new/beside.mpg").unlink()
    assert prepare_videos(tmp_path / "u", tmp_path / "in").classes == ("a", "b")


def test_prepare_folder_of_hidden_files_beside_the_only_folder(
    tmp_path, write_video, prepare_videos
):
    for name in ("in/videos/a/1.mpg", "in/videos/b/2.mpg"):
        write_video(tmp_path / name)
    hidden = tmp_path / "in/__MACOSX/videos/a/._1.mpg"  # as macOS's archives have them
    hidden.parent.mkdir(parents=True)
    hidden.touch()
    assert prepare_videos(tmp_path / "s", tmp_path / "in").classes == ("a", "b")
