"""Many trainings in processes of this machine, or on any Dask cluster.

Each worker has as many threads as a single training has here, since their number changes the order
of a training's sums; so a run's numbers, apart from its seconds, are those of `train`.
"""

import asyncio
import atexit
import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Security, as_completed
from distributed.comm import connect
from distributed.deploy.spec import close_clusters
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.backend import keras, tf
from ucf11lib.data.processes import start_server
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import RunConfig
from ucf11lib.training import train_or_load

CONNECT_SECONDS = 10
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,  # a third death of a run's worker is no accident
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.worker-saturation": 1.0,  # a run that waits must not die with a worker
    "distributed.worker.memory.target": False,  # the memory is TensorFlow's: Dask cannot move it
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
}
logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)  # what fails is a line of ours


def run_on_cluster(
    configs: Sequence[RunConfig], workers: int, scheduler: str, log: Callable[[str], None]
) -> dict[RunConfig, str]:
    """Run all configurations; return why each failed, "" for those that did not.

    Raises a `UserError` for no scheduler at the address, or none with workers of one thread, and a
    `RunFailed` when the connection is lost.
    """
    cores = str(len(os.sched_getaffinity(0)))
    environment = {name: os.environ.get(name, cores) for name in THREADS}
    environment |= {"UCF11_DATA": str(paths.data_dir()), "UCF11_RUNS": str(paths.runs_dir())}
    errors: dict[RunConfig, str] = {}
    with _connected(workers, scheduler) as client:
        futures = {}
        for config in configs:
            key = f"{paths.runs_dir() / config.name}-{config.digest}"
            futures[client.submit(_task, config, environment, key=key, pure=False)] = config
        bar = tqdm(as_completed(futures), "runs", len(futures), unit="run", disable=None)
        for number, future in enumerate(bar, 1):
            errors[futures[future]] = error = _error(future)
            log(f"[{number}/{len(futures)}] {futures[future].name}: {error or 'done'}")
    return errors


def run_here(config: RunConfig, log: Callable[[str], None] = lambda line: None) -> str:
    """Make one run in this process; return why it failed, "" if it did not."""
    try:
        train_or_load(config, log=log)
    except (UserError, RunFailed) as error:
        return str(error)
    finally:
        keras.utils.clear_session()  # or the graphs of all runs stay in memory
    return ""


def _task(config: RunConfig, environment: dict[str, str]) -> str:
    """Make one run in a worker; a lost worker may still hold the folder, which is waited for."""
    os.environ.update(environment)
    tempfile.tempdir = None  # this process may be forked from one that remembers another
    with contextlib.redirect_stderr(io.StringIO()):
        return run_here(config)


def _error(future: Future) -> str:
    try:
        return future.result()
    except KilledWorker as error:
        times = error.allowed_failures + 1
        return f"its worker died {times} times (killed, or out of memory: give fewer --workers)"
    except CancelledError:
        lost = "the connection to the Dask cluster was lost; the same command resumes"
        raise RunFailed(lost) from None
    except Exception as error:  # whatever a run fails of, the others continue
        return " ".join(f"{type(error).__name__}: {error}".split())


def scratch() -> Path:
    """Return the path beside which the temporary folder of a local cluster is."""
    return Path(tempfile.gettempdir(), "study")


@contextlib.contextmanager
def _connected(workers: int, scheduler: str) -> Iterator[Client]:
    """Yield a client of the cluster at `scheduler`, or of one that ends with the block."""
    # Local workers are forked from a process that has loaded TensorFlow; CUDA survives no fork.
    method = "spawn" if tf.config.list_physical_devices("GPU") else "forkserver"
    start_server(["distributed", __name__])
    # Killed workers leave semaphores, which Python removes with a warning.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
    with paths.temporary_dir(scratch()) as place, contextlib.ExitStack() as stack:
        folder = str(place)
        own = {"distributed.worker.multiprocessing-method": method, "temporary-directory": folder}
        stack.enter_context(dask.config.set(SETTINGS | own))
        if scheduler:
            client = _client_of(scheduler)
        else:
            client = Client(stack.enter_context(_local_cluster(workers, folder)))
        yield stack.enter_context(client)


def _local_cluster(workers: int, folder: str) -> LocalCluster:
    """Start workers that leave nothing outside `folder`, and obey no other user of the machine."""
    options = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}  # any port
    options |= {"local_directory": folder, "env": {"TMPDIR": folder}}
    options |= {"protocol": "tls", "security": Security.temporary()}
    try:
        return LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **options)
    except KeyboardInterrupt:
        atexit.unregister(close_clusters)  # which fails with half of a cluster; workers end with us
        raise
    except (OSError, RuntimeError) as error:
        remedy = "give fewer --workers, or raise the limits of 'ulimit -a'"
        raise RunFailed(f"no worker processes ({' '.join(str(error).split())}); {remedy}") from None
    except (KeyError, TypeError, ValueError) as error:
        remedy = "correct its configuration, in files of yours or in $DASK_..."
        raise UserError(f"Dask starts no workers: {error}; {remedy}") from None


async def _shake_hands(scheduler: str) -> None:
    """Connect once: a `Client` would wait for ever where somebody listens and says nothing."""
    arguments = Security().get_connection_args("client")
    (await asyncio.wait_for(connect(scheduler, **arguments), CONNECT_SECONDS)).abort()


def _client_of(scheduler: str) -> Client:
    """Connect to a scheduler whose workers have one thread each, for one run at a time."""
    where = f"--scheduler {scheduler}"
    if scheduler.rpartition("://")[0] not in ("", "tcp", "tls"):
        raise UserError(f"{where}: no address; give tcp://HOST:PORT or tls://HOST:PORT")
    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread runs a loop already
            thread.submit(asyncio.run, _shake_hands(scheduler)).result()
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except TypeError as error:  # for TLS without certificates
        remedy = "name the certificates in Dask's configuration, distributed.comm.tls"
        raise UserError(f"{where}: {error}; {remedy}") from None
    except (OSError, ValueError) as error:
        answer = f"no Dask scheduler answers ({type(error).__name__})"
        raise UserError(f"{where}: {answer}; start one with 'dask scheduler'") from None
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(1, timeout=30)
    threads = max(client.nthreads().values(), default=0)
    if threads != 1:
        client.close()
        seen = f"a worker has {threads} threads" if threads else "it has no workers"
        raise UserError(f"{where}: {seen}; start them with 'dask worker {scheduler} --nthreads 1'")
    return client
