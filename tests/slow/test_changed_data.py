"""A folder of one's own that changes between trainings: the right data, and no run is lost."""

import pytest

from ucf11lib import paths
from ucf11lib.report import reproduce
from ucf11lib.runs import Run, RunConfig
from ucf11lib.training import finished_run, train_or_load

SIZE = {"profile": "smoke", "epochs": 1, "steps_per_epoch": 1}


@pytest.fixture
def make(write_video):
    """Add a class of two clips, a group each, to a folder."""

    def make(folder, *classes):
        for name in classes:
            for group in "12":
                write_video(folder / name / group / "a.mpg", 30)
        return folder

    return make


def config(folder, **flat):
    return RunConfig.of(**{"model": "frame_cnn", "source": "videos", "data": folder} | SIZE | flat)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_train_or_load_follows_a_folder_that_changes(make, tmp_path):
    before = {}

    def trains(folder, classes):
        run = train_or_load(config(folder), log=lambda line: None)
        assert list(run.data.classes) == classes
        assert run == finished_run(config(folder))
        assert run.path not in before
        assert {path: contents(path) for path in before} == before
        before[run.path] = contents(run.path)
        return run

    folder = make(tmp_path / "v", "run", "walk")
    first = trains(folder, ["run", "walk"])
    make(folder, "jump")
    second = trains(folder, ["jump", "run", "walk"])
    renamed = folder.rename(tmp_path / "w")
    trains(renamed, ["jump", "run", "walk"])
    assert finished_run(config(folder)) == second  # of the store, since the folder is gone
    other = make(tmp_path / "other" / "w", "dance", "sing")
    trains(other, ["dance", "sing"])
    assert finished_run(config(first.config.data.folder)) == second


def test_train_and_reproduce_take_the_data_of_today(make, tmp_path, main):
    folder = make(tmp_path / "v", "run", "walk")
    words = ["--profile", "smoke", "--source", "videos", "--data", folder]
    assert main("train", "c3d", *words).returncode == 0
    (old,) = paths.runs_dir().iterdir()
    before = contents(old)
    make(folder, "jump")
    done = main("train", "c3d", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {old}: a finished run on other data than videos-v-")
    done = main("train", "c3d", *words, "--resume")
    assert done.returncode == 2
    assert f"not the data that {old} was begun with" in done.stderr
    reproduce(profile="smoke", source="videos", data=str(folder), only=["01_c3d"])
    run = Run(paths.runs_dir() / f"{old.name}-2")
    assert run.data.classes == ("jump", "run", "walk")
    assert contents(old) == before
