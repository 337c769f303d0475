"""A source's store: where it is, what it depends on, and options of another source."""

from dataclasses import replace

import pytest

from ucf11lib import paths
from ucf11lib.data import sources
from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig


def test_a_stride_is_a_setting_of_a_run_and_its_store_another(tmp_path, write_video):
    write_video(tmp_path / "walk/a.mpg", 50)
    write_video(tmp_path / "run/b.mpg", 40)
    plain = RunConfig.of(model="cnn_lstm", source="videos", data=str(tmp_path))
    stores = [sources.open_or_prepare(one.data) for one in (plain, plain.with_(stride=10))]
    assert [len(made) for made in stores] == [2, 5]
    assert [made.info.stride for made in stores] == [30, 10]


def test_a_store_is_prepared_once_in_the_folder_of_data():
    spec = RunConfig.of(model="c3d", groups=2, clips=1, sequences=1).data
    made = sources.open_or_prepare(spec)
    assert made.path == sources.store_path(spec)
    assert made.path.parent == paths.data_dir()
    assert made.path.name.startswith("synthetic-2x1x1-")
    written = (made.path / "frames.npy").stat().st_mtime_ns
    assert (sources.open_or_prepare(spec).path / "frames.npy").stat().st_mtime_ns == written


def test_only_what_changes_the_bytes_changes_the_place(tmp_path):
    drawn = RunConfig.of(model="c3d").data
    assert sources.store_path(drawn) != sources.store_path(replace(drawn, render_seed=1))
    videos = RunConfig.of(model="c3d", source="videos", data=str(tmp_path)).data
    assert sources.store_path(videos) == sources.store_path(replace(videos, render_seed=1))
    assert sources.store_path(videos) != sources.store_path(replace(videos, window=8))


@pytest.mark.parametrize(
    ("source", "changes", "options", "message"),
    [
        ("synthetic", {"size": 32}, {}, "--size: only where videos are decoded"),
        ("course", {"group_pattern": "x"}, {}, "--group-pattern: only where videos"),
        ("synthetic", {}, {"workers": 2}, "--workers: only where videos are decoded"),
    ],
)
def test_options_of_another_source_are_refused(tmp_path, source, changes, options, message):
    spec = replace(RunConfig.of(model="c3d").data, source=source, folder=str(tmp_path), **changes)
    with pytest.raises(UserError, match=message):
        sources.prepare(spec, tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()
