"""Which folders are classes."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ucf11lib.data.videos import decode
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
    with pytest.raises(UserError, match=r"or Unicode only; rename one, or join"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    for name in ("Walk", "walk "):
        write_video(tmp_path / "v" / name / "1.mpg")
    with pytest.raises(UserError, match=r"'Walk' and 'walk ' differ in case, spaces at the ends"):
        prepare_videos(tmp_path / "s", tmp_path / "v")


@pytest.mark.parametrize(
    "names",
    [
        "train dev",
        "Train eval_set",
        "training-videos holdout 1",
        "train validate",
        "data_train data_test",
        "fold1 fold2",
        "set01 set02",
        "trainval test",
        "UCF_train UCF_test",
        "train_set_A test_set_A",
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


@pytest.mark.parametrize("empty", ["a folder", "a file", "a link to nothing", "a group folder"])
def test_prepare_a_class_without_videos_makes_the_others_groups_no_classes(
    empty, tmp_path, write_video, prepare_videos
):
    for group in ("1", "2"):
        write_video(tmp_path / "in/walk" / group / "a.mpg")
    other = tmp_path / "in/dance"
    if empty == "a link to nothing":
        other.symlink_to("nowhere")
    else:
        (other / "1" if empty == "a group folder" else other).mkdir(parents=True)
    if empty == "a file":
        (other / "list.txt").write_text("x")
    with pytest.raises(UserError, match=r"no video in dance; add some, or give --data .*/walk if"):
        prepare_videos(tmp_path / "s", tmp_path / "in")
    store = prepare_videos(tmp_path / "t", tmp_path / "in/walk")
    assert store.classes == ("1", "2")


def test_prepare_archives_documents_and_stills_are_no_clips(tmp_path, write_video, prepare_videos):
    for name in ("in/a/1.mpg", "in/b/2.mpg"):
        write_video(tmp_path / name)
    with tarfile.open(tmp_path / "in/a/backup.tar", "w") as archive:
        archive.add(tmp_path / "in/a/1.mpg")
    pictures = [Image.fromarray(np.full((64, 64, 3), level, np.uint8)) for level in range(40)]
    pages = io.BytesIO()
    for picture in pictures:
        picture.save(pages, "JPEG")
    for name, start in (("b/photos.zip", b"PK\3\4"), ("b/scan.pdf", b"%PDF-1.4"),
                        ("a/Thumbs.db", b"\xd0\xcf\x11\xe0")):  # fmt: skip
        (tmp_path / "in" / name).write_bytes(start + pages.getvalue())
    pictures[0].save(tmp_path / "in/a/folder.ico")
    pictures[0].save(tmp_path / "in/b/2.gif")
    pictures[0].save(tmp_path / "in/b/moves.gif", save_all=True, append_images=pictures[1:])
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert set(store.clips) == {"a/1", "b/2", "b/moves"}
    names = {"a/backup.tar", "b/photos.zip", "b/scan.pdf", "a/Thumbs.db", "a/folder.ico", "b/2.gif"}
    assert {one["file"]: one["reason"] for one in store.info.notes} == dict.fromkeys(
        names, "not a video"
    )
    with pytest.raises(UserError, match=r"photos.zip: cannot be opened: an archive or a document"):
        decode(tmp_path / "in/b/photos.zip")


def test_prepare_folder_of_hidden_files_beside_the_only_folder(
    tmp_path, write_video, prepare_videos
):
    for name in ("in/videos/a/1.mpg", "in/videos/b/2.mpg"):
        write_video(tmp_path / name)
    hidden = tmp_path / "in/__MACOSX/videos/a/._1.mpg"  # as macOS's archives have them
    hidden.parent.mkdir(parents=True)
    hidden.touch()
    assert prepare_videos(tmp_path / "s", tmp_path / "in").classes == ("a", "b")
