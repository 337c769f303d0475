"""Many independent trainings at once: in processes of this machine, or on any Dask cluster.

A task is one run folder. What is finished is not run again and what was begun is gone on with, so a killed worker
costs at most an epoch and a killed sweep the same.

The threads of a training change the order of its sums, and with it the last digits of its weights (VGG9's probabilities
differ by up to 4e-4 after six steps). So each worker has the threads that a training alone has here, not a share of
them that would depend on the number of workers: a run's numbers are those of `train`. Seconds are not: runs
that share processors wait for each other. `TF_NUM_INTRAOP_THREADS` sets the threads of all of them.
"""

import contextlib
import io
import logging
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass

import dask
from distributed import Client, KilledWorker, LocalCluster, wait
from distributed.utils import get_mp_context
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.config import RunConfig
from ucf11lib.data import sources
from ucf11lib.errors import RunFailed, UserError

# `jobs` loads TensorFlow. A worker unpickles its task from this module, and must set the threads first.

CORES_A_RUN = 2
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,  # workers may die under a run twice: a third time is no accident
    "distributed.worker.profile.enabled": False,  # it looks at the stack a hundred times a second
    "distributed.scheduler.worker-saturation": 1.0,  # a run that waits in a killed worker would be suspected with it
    "distributed.worker.memory.target": False,  # the memory is TensorFlow's, which Dask can neither move to disk ...
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # ... nor wait for
}


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        config: what was asked for.
        run: the finished run (a `runs.Run`), None if it failed.
        error: why it failed, in one line.
    """

    config: RunConfig
    run: object | None
    error: str = ""

    @property
    def status(self) -> str:
        """The run's own status, or why there is no run."""
        return self.run.metrics["status"] if self.run else f"failed: {self.error}"

    @property
    def succeeded(self) -> bool:
        """Whether the run reached its end."""
        return not self.status.startswith(("failed", "stopped"))


def run_all(
    configs: Sequence[RunConfig],
    *,
    workers: int | None = None,
    scheduler: str = "",
    say: Callable[[str], None] = tqdm.write,
) -> list[Outcome]:
    """Do all runs, in `runs/`, as far as they are not done.

    Args:
        configs: the runs; no two with the same folder.
        workers: processes of this machine; one for every two processors by default, one with a GPU.
        scheduler: the address of a Dask cluster, whose workers have this code and see the same folders.
        say: gets a line for each run that ends.

    Returns:
        An outcome a configuration, in their order; a run that fails does not stop the others.

    Raises:
        UserError: before anything runs: two runs of one folder, data that cannot be prepared or divided as asked, a
            number of workers that is none, no scheduler at the address, or none with workers of one thread.
        RunFailed: the cluster was lost.
    """
    from ucf11lib import jobs

    if twice := [name for name, count in Counter(config.name for config in configs).items() if count > 1]:
        raise UserError(f"{twice[0]}: asked for twice; a run folder has one run, so leave one of them away")
    if workers is not None and (workers < 1 or scheduler):
        raise UserError(f"--workers {workers}: give 1 or more, and none with --scheduler, which has its own")
    _prepare(configs)
    left = [config for config in configs if not jobs.finished(config)]
    if len(left) < len(configs):
        say(f"{len(configs) - len(left)} of {len(configs)} runs are finished already")
    errors = {}
    if left:
        with _cluster(workers or _default_workers(), len(left), scheduler) as client:
            errors = _train_all(client, left, say)
    return [
        Outcome(config, None if errors.get(config.name) else jobs.finished(config), errors.get(config.name, ""))
        for config in configs
    ]


def check(outcomes: Sequence[Outcome]) -> None:
    """Raise a RunFailed that names the runs that did not succeed, if there are any."""
    if failed := [outcome for outcome in outcomes if not outcome.succeeded]:
        named = "; ".join(f"{outcome.config.name}: {outcome.status}" for outcome in failed)
        raise RunFailed(f"{len(failed)} of {len(outcomes)} runs did not succeed; {named}")


def _prepare(configs: Sequence[RunConfig]) -> None:
    """Make each store that the runs need, once, and see that it can be divided as they want."""
    stores, seen = {}, set()
    for config in configs:
        _, profile = config.resolved()
        path = sources.default_path(config.source, config.data, profile)
        if path not in stores:
            stores[path] = sources.ensure(config.source, data=config.data, profile=profile)
        if (key := (path, config.split, config.fold, config.seed)) not in seen:
            seen.add(key)
            config.parts(stores[path])


def _default_workers() -> int:
    from ucf11lib.backend import tf

    return 1 if tf.config.list_physical_devices("GPU") else max(1, _cores() // CORES_A_RUN)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def _cluster(workers: int, tasks: int, scheduler: str) -> Iterator[Client]:
    """Yield a client of the cluster at `scheduler`, or of one of this machine that goes when the block ends.

    Each process of this machine gets its share of the memory, and is killed and started again when it takes more.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(SETTINGS))
        stack.enter_context(_silent())
        stack.enter_context(_loaded_once())
        if scheduler:
            client = stack.enter_context(_connected(scheduler))
            _check_workers(client, scheduler)
        else:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="ucf11-", ignore_cleanup_errors=True))
            cluster = LocalCluster(
                n_workers=min(workers, tasks),
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any port: a second sweep here would complain of the first
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
                env={"TMPDIR": scratch},  # where TensorFlow leaves files when it is killed
            )
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        yield client


@contextlib.contextmanager
def _loaded_once() -> Iterator[None]:
    """Let the workers of this machine be forked from one process that has loaded TensorFlow, where none has a GPU.

    A worker, also one that takes a killed one's place, then starts at once; loading takes longer than a small run. CUDA
    does not survive a fork, so with a GPU each worker loads for itself.
    """
    from ucf11lib.backend import tf

    method = "spawn" if tf.config.list_physical_devices("GPU") else "forkserver"
    with dask.config.set({"distributed.worker.multiprocessing-method": method}):
        get_mp_context()  # sets a list of its own, once
        multiprocessing.set_forkserver_preload(["distributed", "ucf11lib.jobs"])
        yield


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep Dask's log to itself, and Python's complaint that killed workers left semaphores, which it removes itself.

    What concerns the user comes as an outcome.
    """
    logger = logging.getLogger("distributed")
    before, filters = logger.level, os.environ.get("PYTHONWARNINGS")
    logger.setLevel(logging.CRITICAL + 1)
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [filters, "ignore:resource_tracker"]))
    try:
        yield
    finally:
        logger.setLevel(before)
        os.environ["PYTHONWARNINGS"] = filters or ""


def _connected(scheduler: str) -> Client:
    try:
        return Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise UserError(f"--scheduler {scheduler}: no Dask scheduler answers ({type(error).__name__}); start one with "
                        "'dask scheduler', or leave --scheduler away") from None  # fmt: skip


def _check_workers(client: Client, scheduler: str) -> None:
    """Raise a UserError unless there is a worker, and all have one thread: two trainings disturb each other in one."""
    remedy = f"start them with 'dask worker {scheduler} --nthreads 1'"
    try:
        client.wait_for_workers(1, timeout=30)
    except TimeoutError:
        raise UserError(f"--scheduler {scheduler}: it has no workers; {remedy}") from None
    if (threads := max(client.nthreads().values())) > 1:
        raise UserError(f"--scheduler {scheduler}: a worker has {threads} threads, for as many runs at once; {remedy}")


def _train_all(client: Client, configs: Sequence[RunConfig], say: Callable[[str], None]) -> dict[str, str]:
    """Do the runs; return why each failed, "" for those that did not."""
    runs, environment = paths.runs_dir(), _environment()
    futures = {
        client.submit(_train, config, os.getcwd(), environment, key=f"{runs / config.name}", pure=False): config
        for config in configs
    }
    pending, errors = set(futures), {}
    with tqdm(total=len(futures), desc="runs", unit="run", disable=None) as bar:
        while pending:
            done, pending = _next(pending)
            for future in done:
                name = futures[future].name
                errors[name] = _error(future)
                say(f"[{len(errors)}/{len(futures)}] {name}: {errors[name] or 'done'}")
                bar.update()
            bar.set_postfix_str(f"{min(len(pending), len(client.nthreads()))} running")
    return errors


def _next(pending: set) -> tuple[set, set]:
    """Return the futures that are done and those that are not, after a second at the latest."""
    try:
        done, left = wait(pending, timeout=1, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return set(), pending
    except CancelledError:
        raise RunFailed("the connection to the Dask cluster was lost; the same command goes on") from None
    return done, left


def _error(future) -> str:
    """Return why a run failed, in one line."""
    try:
        return future.result()
    except KilledWorker as error:
        return f"its worker died {error.allowed_failures + 1} times (killed, or out of memory: give fewer --workers)"
    except Exception as error:  # whatever a run dies of, the others go on
        return " ".join(f"{type(error).__name__}: {error}".split())


def _environment() -> dict[str, str]:
    """Return what a worker needs to do what this process would: its folders and its threads."""
    threads = {name: os.environ.get(name, str(_cores())) for name in THREADS}
    return threads | {"UCF11_DATA": str(paths.data_dir()), "UCF11_RUNS": str(paths.runs_dir())}


def _train(config: RunConfig, folder: str, environment: dict[str, str]) -> str:
    """Do one run, in a worker; return why it failed, "" if it did not.

    A worker that a cluster has given up may still be at the run folder; `jobs.ensure` waits for its turn.
    """
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None  # this process may be forked from one that remembers another
    from ucf11lib import jobs
    from ucf11lib.backend import keras

    try:
        with contextlib.redirect_stderr(io.StringIO()):
            jobs.ensure(config, say=lambda line: None)
    except (UserError, RunFailed) as error:
        return str(error)
    finally:
        keras.utils.clear_session()  # or the graphs of all runs of a worker stay in its memory
    return ""
