"""What kills cost: a sweep that loses a worker, a training and the main job killed at random moments."""

import contextlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ucf11lib import jobs, paths, recipes, runs, sweep, timing
from ucf11lib.backend import keras
from ucf11lib.config import RunConfig
from ucf11lib.data import sources
from ucf11lib.errors import RunFailed

MEASURED = ("seconds", "seconds_to_75", "sequences_per_second", "peak_rss_mb")  # of metrics.json, new each time
TIMED = "comparison.svg"  # the one figure that shows seconds
LENGTH = ("epochs=4", "steps_per_epoch=40", "dropout=0.3")  # of the training that is killed
FINISHED = re.compile(r"\] (\w+) \.\.\. \d+ s$", re.MULTILINE)


@dataclass
class Watch:
    """Looks on at a sweep of this process, in a thread of its own, and kills one of its workers.

    Attributes:
        folder: the runs.
        kill_at: when so many runs have begun; None lets all live.
        finished: each run that finished, with when: one that was done twice is there twice.
        killed: the processes killed.
    """

    folder: Path
    kill_at: int | None
    finished: set[tuple[str, int]] = field(default_factory=set)
    killed: list[int] = field(default_factory=list)

    @contextlib.contextmanager
    def on(self):
        """Watch while the block runs."""
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=[over])
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self, over: threading.Event) -> None:
        while not over.wait(0.05):
            for metrics in self.folder.glob("[!.]*/metrics.json"):
                self.finished.add((metrics.parent.name, metrics.stat().st_mtime_ns))
            begun = len([*self.folder.glob("[!.]*/config.json")])
            if self.kill_at is not None and not self.killed and begun >= self.kill_at:
                self.killed = [child.pid for child in workers()[:1]]
                for pid in self.killed:
                    os.kill(pid, signal.SIGKILL)


def workers() -> list[psutil.Process]:
    """Return the processes of this one's Dask clusters, which are forked from one that is its child."""
    servers = [child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())]
    return [worker for server in servers for worker in server.children()]


def swept(configs: Sequence[RunConfig], workers: int, kill_at: int | None = None) -> dict:
    """Sweep, and kill a worker when `kill_at` runs have begun; return what became of the runs, and the seconds.

    `twice` counts finished runs that were done again, `numbers` holds each run's confusion matrix.
    """
    watch = Watch(paths.runs_dir(), kill_at)
    start = time.perf_counter()
    with watch.on():
        outcomes = sweep.run_all(configs, workers=workers, say=lambda line: None)
    seconds = time.perf_counter() - start
    done = [outcome.run for outcome in outcomes if outcome.run]
    return {
        "workers": workers,
        "killed": len(watch.killed),
        "results": len(done),
        "twice": len(watch.finished) - len({name for name, _ in watch.finished}),
        "seconds": seconds,
        "numbers": [run.metrics["confusion"] for run in done],
    }


def sweep_with_a_kill() -> list[dict]:
    """Do the same twelve smoke runs with one worker, and with two of which one is killed in the middle.

    Either sweep is one of a process of its own, so that both start TensorFlow. Two workers have twice the processors of
    one where each worker has one thread; where a worker has as many as there are processors, which is the default, one
    alone uses most of what there is.

    Returns:
        A row each with one thread a worker and with all: `threads` (a worker's, None for all), `runs`, `sweeps` (as
        `swept`), `ratio` (of the seconds, two workers' to one's) and `same` (whether all numbers are).
    """
    sources.ensure("synthetic", profile=recipes.profile("smoke", "c3d"))
    configs, rows = [RunConfig(model, profile="smoke", seed=seed) for seed in range(4) for model in recipes.MODELS], []
    for threads in (1, None):
        cases = (1, None), (2, len(configs) // 2 + 1)
        sweeps = [timing.alone(_swept, configs, threads, *case).value for case in cases]
        alone, disturbed = (found.pop("numbers") for found in sweeps)
        ratio = sweeps[1]["seconds"] / sweeps[0]["seconds"]
        rows.append(
            {"threads": threads, "runs": len(configs), "sweeps": sweeps, "ratio": ratio, "same": alone == disturbed}
        )
    return rows


def _swept(configs: Sequence[RunConfig], threads: int | None, workers: int, kill_at: int | None) -> dict:
    """Sweep into a folder that goes afterwards, with so many threads a worker, or all."""
    if threads:
        os.environ |= {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
    with tempfile.TemporaryDirectory(prefix="ucf11-") as folder, paths.environment(UCF11_RUNS=folder):
        return swept(configs, workers, kill_at)


def training_killed(kills: int = 20, seed: int = 0) -> list[dict]:
    """Kill a training at random moments, each time one that is new, go on, and compare with one left alone.

    A moment is drawn from all that comes after the run folder was made: compilation, steps, checkpoints, the end.

    Returns:
        A row a kill: the moment in seconds, where the training went on, and whether weights, history and
        probabilities are the same to the last bit.
    """
    config, draw, rows = RunConfig("cnn_lstm", profile="smoke").having(*LENGTH), random.Random(seed), []
    with tempfile.TemporaryDirectory(prefix="ucf11-") as folder:
        start = time.perf_counter()
        alone = jobs.train(config, Path(folder) / "alone", say=lambda line: None)
        whole = time.perf_counter() - start
        for number in itertools.count():
            if len(rows) == kills:
                return rows
            path, seconds, said = Path(folder) / str(number), draw.uniform(0, whole), []
            if _killed_training(path, seconds):
                run = jobs.train(config, path, resume=True, say=said.append)
                went_on = said[min(1, len(said) - 1)].replace(str(path), "run")  # behind the line that says what it is
                rows.append({"seconds": seconds, "went_on": went_on, "same": _same(alone, run)})
                print(f"kill {len(rows)} after {seconds:.0f} s: {went_on}; same: {rows[-1]['same']}", flush=True)
                keras.utils.clear_session()  # or the graphs of all runs stay in memory


def _killed_training(path: Path, seconds: float) -> bool:
    """Train on the command line and kill it `seconds` after its folder appeared; return whether it was not through."""
    settings = [word for setting in LENGTH for word in ("--set", setting)]
    command = [sys.executable, "-m", "ucf11lib", "train", "cnn_lstm", "--profile", "smoke", "--run", str(path)]
    often = ["--checkpoint-minutes", "0.005"]
    job = subprocess.Popen([*command, *settings, *often], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not path.exists() and job.poll() is None:
        time.sleep(0.005)
    with contextlib.suppress(subprocess.TimeoutExpired):
        job.wait(seconds)
    job.kill()
    job.wait()
    return not (path / "metrics.json").exists()


def _same(one: runs.Run, other: runs.Run) -> bool:
    """Return whether two runs learnt the same to the last bit."""
    histories = [run.history.drop(columns="seconds").to_csv() for run in (one, other)]
    arrays = [[*run.model().get_weights(), *run.predictions.values()] for run in (one, other)]
    return histories[0] == histories[1] and [a.tobytes() for a in arrays[0]] == [a.tobytes() for a in arrays[1]]


def main_job_killed(kills: int = 10, seed: int = 0) -> dict:
    """Kill the smoke tier of the main job at random moments, go on each time, and compare with one left alone.

    A moment is drawn from the first third of what the whole takes, counted from the last kill, so that the kills get
    through all of the job.
    """
    draw, moments = random.Random(seed), []
    with tempfile.TemporaryDirectory(prefix="ucf11-") as temporary:
        alone, killed = Path(temporary) / "alone", Path(temporary) / "killed"
        start = time.perf_counter()
        steps = FINISHED.findall(_main_job(alone)[0])
        whole, done = time.perf_counter() - start, []
        for _ in range(kills):
            seconds = draw.uniform(0, whole / 3)
            said, was_killed = _main_job(killed, seconds)
            done += FINISHED.findall(said)
            moments += [seconds] * was_killed
        done += FINISHED.findall(_main_job(killed)[0])
        return {
            "steps": len(steps),
            "seconds": whole,
            "kills": len(moments),
            "moments": moments,
            "twice": sorted(step for step in set(done) if done.count(step) > 1),
            "figures_that_differ": _figures_that_differ(alone, killed),
            "same_numbers": _numbers(alone) == _numbers(killed),
        }


def _main_job(folder: Path, seconds: float | None = None) -> tuple[str, bool]:
    """Run the smoke tier with runs in `folder`, but kill it after `seconds`; return what it said, and if it was killed.

    Raises:
        RunFailed: it failed of itself.
    """
    command = [sys.executable, "-u", "-m", "ucf11lib", "reproduce", "--profile", "smoke"]
    with paths.environment(UCF11_RUNS=str(folder)):
        job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said, complaint = job.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        job.kill()
        return job.communicate()[0], True
    if job.returncode:
        raise RunFailed(complaint.splitlines()[-1].removeprefix("error: "))
    return said, False


def _figures_that_differ(one: Path, other: Path) -> list[str]:
    found = [{path.name: path.read_bytes() for path in folder.glob("report-*/figures/*")} for folder in (one, other)]
    return sorted(name for name in set().union(*found) - {TIMED} if found[0].get(name) != found[1].get(name))


def _numbers(folder: Path) -> dict:
    """Return metrics.json of each run, without what is measured by the clock."""
    return {
        run.path.name: {key: value for key, value in run.metrics.items() if key not in MEASURED}
        for run in runs.find(folder)
    }
