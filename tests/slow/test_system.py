"""Closed streams, poor encodings, long names and files for folders."""

import subprocess
import sys

import pytest

COMMAND = f"{sys.executable} -m ucf11lib"


STREAMS = ("2>&-", ">&-", "<&- >&- 2>&-", "2>&1 | head -1", "| head -0")
CLOSED = [("store describe {}", streams) for streams in STREAMS]
CLOSED += [("evaluate --run nowhere", streams) for streams in ("2>&-", ">&-")]
CLOSED += [("--help", streams) for streams in (">&-", "2>&1 | head -1")]


@pytest.mark.parametrize(("words", "streams"), CLOSED)
def test_main_closed_streams(store, words, streams):
    command = f"set -o pipefail; {COMMAND} {words.format(store.path)} {streams}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stdout + done.stderr
    if "head" not in streams:
        assert done.returncode == (2 if "nowhere" in words else 0)
        shown = "2 0" if ">&-" in streams.replace("2>&-", "") else ""
        assert bool(done.stdout) == ("nowhere" not in words and not shown)


def test_main_help_on_a_full_disk():
    command = ["bash", "-c", f"{COMMAND} train --help >/dev/full"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: output: No space left on device")


def test_main_output_without_the_characters(store, tmp_path, cli):
    place = tmp_path / "é\udcff"
    place.symlink_to(store.path)
    done = cli("store", "describe", place, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\\xe9\\udcff\n")


@pytest.mark.parametrize(
    "words",
    [
        "store describe {}", "evaluate --run {}", "prepare --profile smoke --store {}/s",
        "train frame_cnn --profile smoke --run {}/r", "runs --runs {}", "study {}.yaml",
        "report --runs {0} --out {0}", "prepare --source videos --data {}", "predict {} --run {}",
    ],
)  # fmt: skip
def test_main_long_names_and_files_for_folders(tmp_path, main, words):
    (tmp_path / "file").touch()
    for place in (tmp_path / ("é" * 200), tmp_path / "file"):
        done = main(*words.format(place, place).split())
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
