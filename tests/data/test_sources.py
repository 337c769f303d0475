"""A source's store: where it is, what it depends on, and options of another source."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from ucf11lib import __main__, paths
from ucf11lib.data import ClipStore, sources
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig


def test_open_or_prepare_stride_of_a_run(tmp_path, write_video):
    write_video(tmp_path / "walk/a.mpg", 50)
    write_video(tmp_path / "run/b.mpg", 40)
    plain = RunConfig.of(model="cnn_lstm", source="videos", data=str(tmp_path))
    stores = [sources.open_or_prepare(one.data) for one in (plain, plain.with_(stride=10))]
    assert [len(store) for store in stores] == [2, 5]
    assert [store.info.stride for store in stores] == [30, 10]


@pytest.mark.slow
def test_open_or_prepare_two_processes_prepare_once(tmp_path, monkeypatch):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path))
    program = (
        "from ucf11lib.data import open_or_prepare\n"
        "from ucf11lib.runs import RunConfig\n"
        "open_or_prepare(RunConfig.of(model='c3d', groups=2, clips=2, sequences=1).data).verify()"
    )
    command = [sys.executable, "-c", program]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors  # had it not waited: exists
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("synthetic-2x2x1-")
    written = (folder / "frames.npy").stat().st_mtime_ns
    spec = RunConfig.of(model="c3d", groups=2, clips=2, sequences=1).data
    assert sources.open_or_prepare(spec).path == folder == sources.store_path(spec)
    assert (folder / "frames.npy").stat().st_mtime_ns == written


def test_store_path_depends_on_what_changes_the_bytes(tmp_path, monkeypatch):
    drawn = RunConfig.of(model="c3d").data
    assert sources.store_path(drawn).parent == paths.data_dir()
    assert sources.store_path(drawn) != sources.store_path(replace(drawn, render_seed=1))
    before = sources.store_path(drawn)
    with monkeypatch.context() as patched:
        patched.setattr(sources, "code_digest", lambda place: "0123abcd")
        assert sources.store_path(drawn) != before
    course_sizes = RunConfig.of(model="c3d", profile="full").data
    assert sources.store_path(course_sizes).name.startswith("synthetic-25x6-course-")
    videos = RunConfig.of(model="c3d", source="videos", data=str(tmp_path)).data
    assert sources.store_path(videos) != sources.store_path(replace(videos, window=8))


def test_prune_deletes_what_a_later_store_replaces(tmp_path, write_video, monkeypatch, capsys):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "data"))
    write_video(tmp_path / "v/walk/a.mpg")
    write_video(tmp_path / "v/run/b.mpg")
    for name in "wxyz":
        write_video(tmp_path / f"v/{name}.mpg")  # in no class folder, before and after
    spec = RunConfig.of(model="c3d", source="videos", data=str(tmp_path / "v")).data
    old = sources.open_or_prepare(spec).path
    for name in ("videos-20260101-20260102", "videos-20260101-20260103"):
        sources.prepare(spec, tmp_path / "data" / name)  # named by a user
    sources.open_or_prepare(RunConfig.of(model="c3d", profile="smoke").data)
    assert sources.prune() == []
    write_video(tmp_path / "v/jump/c.mpg")
    new = sources.open_or_prepare(spec)
    assert (new.path.parent, len(new.classes)) == (old.parent, 3)
    changed = f"{spec.folder} changed since {old} was made (new: jump/c); preparing it anew"
    assert changed in capsys.readouterr().err
    link = old.with_name(old.name[:-8] + "0" * 8)  # to a store that is elsewhere
    link.symlink_to(shutil.copytree(old, tmp_path / "elsewhere"))
    before = set(old.parent.iterdir())
    assert sources.prune(tmp_path / "data") == [old]
    assert set(old.parent.iterdir()) == before - {old}
    ClipStore.open(link).verify()
    with pytest.raises(UserError, match="nowhere: no such folder"):
        sources.prune("nowhere")


def test_prune_keeps_the_store_of_todays_files(tmp_path, write_video, monkeypatch):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "data"))
    spec = RunConfig.of(model="c3d", source="videos", data=str(tmp_path / "v")).data
    for name in ("a/1.mpg", "b/2.mpg"):
        write_video(tmp_path / "v" / name)
    first = sources.open_or_prepare(spec).path
    added = write_video(tmp_path / "v/a/3.mpg")
    second = sources.open_or_prepare(spec).path
    added.unlink()
    assert sources.prune() == [second]
    assert sources.open_or_prepare(spec).path == first
    shutil.rmtree(tmp_path / "v")
    assert sources.prune() == []


def test_prepare_removes_what_waited_for_files_of_before(tmp_path, write_video, monkeypatch):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "data"))
    spec = RunConfig.of(model="c3d", source="videos", data=str(tmp_path / "v")).data
    for name in ("a/1.mpg", "b/2.mpg"):
        write_video(tmp_path / "v" / name)
    broken = [tmp_path / "v/a/x.mp4", tmp_path / "v/b/x.mp4"]
    for file in broken:
        file.write_text("no video")
    with pytest.raises(UserError, match="2 of 4 clips cannot be decoded"):
        sources.open_or_prepare(spec)
    assert [path.name[:9] for path in (tmp_path / "data").iterdir()] == [".partial-"]
    for file in broken:
        file.unlink()
    store = sources.open_or_prepare(spec)
    assert list((tmp_path / "data").iterdir()) == [store.path]


def test_open_or_prepare_names_that_a_csv_file_or_a_terminal_would_obey(
    tmp_path, write_video, capsys
):
    for name in ("a/Icon\r.mpg", "a/new\nline.mpg", "a\x1b[31m/2.mpg"):
        write_video(tmp_path / "v" / name)
    spec = RunConfig.of(model="c3d", source="videos", data=str(tmp_path / "v")).data
    store = sources.open_or_prepare(spec)
    assert set(store.clips) == {"a/Icon\r", "a/new\nline", "a\x1b[31m/2"}
    assert __main__.main(["store", "verify", str(store.path)]) == 0
    output = capsys.readouterr().out
    assert "a\\x1b[31m" in output
    assert "\x1b" not in output


def test_open_or_prepare_other_synthetic_data_are_no_change(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path))
    for seed in (0, 1):
        small = {"groups": 2, "clips": 1, "sequences": 1, "render_seed": seed}
        sources.open_or_prepare(RunConfig.of(model="c3d", **small).data)
    assert "changed" not in capsys.readouterr().err
    assert len(list(tmp_path.iterdir())) == 2


def test_open_or_prepare_a_long_name_of_the_folder(tmp_path, monkeypatch, write_video, capsys):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path / "data"))
    folder = tmp_path / ("é" * 120)
    for name in ("a/1.mpg", "b/2.mpg"):
        write_video(folder / name)
    spec = RunConfig.of(model="c3d", source="videos", data=str(folder)).data
    store = sources.open_or_prepare(spec)
    write_video(folder / "b" / "3.mpg")
    assert len(sources.open_or_prepare(spec)) == len(store) + 1
    assert sources.prune() == [store.path]


def test_store_commands_take_one_store(store):
    with pytest.raises(UserError, match="store verify other: one store at a time"):
        list(sources.store_lines("verify", str(store.path), "other"))


@pytest.mark.parametrize(
    ("source", "changes", "options", "message"),
    [
        ("synthetic", {"size": 32}, {}, "--size: only where videos are decoded"),
        ("course", {"group_pattern": "x"}, {}, "--group-pattern: only where videos"),
        ("synthetic", {}, {"workers": 2}, "--workers: only where videos are decoded"),
        ("videos", {"render_seed": 3}, {}, "--render-seed: only where sequences are drawn"),
        ("course", {"clips": 3}, {}, "--clips, --sequences: only where sequences are drawn"),
    ],
)
def test_prepare_refuses_options_of_another_source(tmp_path, source, changes, options, message):
    spec = replace(RunConfig.of(model="c3d").data, source=source, folder=str(tmp_path), **changes)
    with pytest.raises(UserError, match=message):
        sources.prepare(spec, tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()
    if not options:  # the same in a training
        with pytest.raises(UserError, match=message):
            sources.open_or_prepare(spec)


def test_a_store_has_a_name_that_a_run_can_tell(store, tmp_path):
    odd = tmp_path / "caf\udce9"
    with pytest.raises(UserError, match=r"caf\\udce9': not in UTF-8; choose another --store"):
        sources.prepare(RunConfig.of(model="c3d", profile="smoke").data, odd)
    odd.symlink_to(store.path)
    ClipStore.open(odd)  # a link has another name
    with pytest.raises(UserError, match=r"caf\\udce9': not in UTF-8; rename the folder"):
        ClipStore.open(shutil.copytree(store.path, tmp_path / "\udce9/caf\udce9"))
