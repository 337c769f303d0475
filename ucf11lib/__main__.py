"""The command line: parsing, one call each, and one line for a user's mistake."""

import argparse
import errno
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable

from ucf11lib.errors import RunFailed, UserError

# TensorFlow takes seconds to load, so each command imports what it needs itself and `--help` needs nothing.


DECODING = ("group_pattern", "window", "stride", "size", "broken", "workers")


class Parser(argparse.ArgumentParser):
    """Says what was wrong in one line."""

    def error(self, message: str) -> None:
        """Print one line and exit with 2."""
        self.exit(2, f"error: {message}; see '{self.prog} --help'\n")


def _prepare(args: argparse.Namespace) -> None:
    from ucf11lib import recipes
    from ucf11lib.data import sources

    profile, data = recipes.profile(args.profile, "cnn_lstm"), args.data
    if args.fetch is not None:
        data = str(_fetched(args))
    given = {name: getattr(args, name) for name in DECODING if getattr(args, name) is not None}
    made_of = {name: value for name, value in given.items() if name not in ("broken", "workers")}
    path = args.store or sources.default_path(args.source, data, profile, **made_of)
    _describe(sources.prepare(args.source, path, data=data, profile=profile, seed=args.seed, **given))


def _describe(store) -> None:
    from ucf11lib import paths

    print(store.summary())
    print(store.describe().to_string(index=False))
    for item in store.info["left_out"]:
        print(f"left out: {item['clip']}: {item['reason']}")
    print(f"store: {paths.shown(store.path)}")


def _verify(args: argparse.Namespace) -> None:
    from ucf11lib.data.store import ClipStore

    store = ClipStore.open(args.store)
    store.verify()
    _describe(store)
    print("every byte is as it was written")


def _export(args: argparse.Namespace) -> None:
    from ucf11lib import paths
    from ucf11lib.data import course
    from ucf11lib.data.store import ClipStore

    for file in course.export(ClipStore.open(args.store), args.folder):
        print(paths.shown(file))


def _fetched(args: argparse.Namespace):
    from ucf11lib.data import archive

    if args.source != "ucf11" or args.data:
        raise UserError("--fetch goes with --source ucf11 and without --data")
    return archive.ensure(args.fetch or archive.URL)


def _train(args: argparse.Namespace) -> None:
    if args.strategy == "multiworker":  # a lost worker is reported in one line, and by TensorFlow in twenty
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from ucf11lib import jobs, paths, strategies
    from ucf11lib.config import RunConfig
    from ucf11lib.data.store import ClipStore

    names = ("model", "recipe", "profile", "source", "data", "split", "fold", "seed", "health", "mixed_precision",
             "deterministic")  # fmt: skip
    parameters = {name: getattr(args, name) for name in names} | {"settings": ",".join(args.set)}
    store = ClipStore.open(args.store) if args.store else None
    if store:
        parameters |= {"source": store.source, "data": store.info["origin"].get("folder", "")}
    config = RunConfig.of(**parameters)
    if args.overfit is not None:
        _overfit(args, config, store)
        return
    strategy = strategies.make(args.strategy)
    options = {name: getattr(args, name) for name in ("resume", "checkpoint_minutes", "tensorboard")}
    run = jobs.train(config, args.run, store=store, strategy=strategy, **options)
    if not strategies.worker_of(strategy).chief:
        return
    print(f"held out: {run.metrics['accuracy']:.1%} of {run.metrics['n_val']} sequences ({run.note})")
    print(f"run: {paths.shown(run.path)}")
    if run.metrics["status"].startswith("stopped"):
        raise RunFailed(f"{run.metrics['status']}; {paths.shown(run.path)}/metrics.json has the findings")


def _overfit(args: argparse.Namespace, config, store) -> None:
    from ucf11lib.overfit import overfit

    if args.run or args.resume or args.strategy != "one":
        raise UserError(
            "--overfit runs on one device and leaves no run folder; leave --strategy, --run and --resume away"
        )
    found = overfit(config, args.overfit, store=store)
    if not found.fitted:
        raise RunFailed(f"{config.model}, recipe {config.recipe}, cannot learn {args.overfit} sequences by heart: "
                        f"their loss is {found.losses[-1]:.4f}")  # fmt: skip
    print(f"{config.model} can learn: the loss of {args.overfit} sequences is {found.losses[-1]:.4f}")


def _crossval(args: argparse.Namespace) -> None:
    from ucf11lib.config import RunConfig
    from ucf11lib.crossval import crossval
    from ucf11lib.data import splits

    if args.split != splits.LOGO:
        raise UserError(f"--split {args.split}: cross-validation holds one group index out at a time, --split logo")
    names = ("model", "recipe", "profile", "source", "data", "seed")
    config = RunConfig.of(**{name: getattr(args, name) for name in names}, settings=",".join(args.set))
    crossval(config, candidates=args.choose, workers=args.workers, scheduler=args.scheduler, out=args.out)


def _sweep(args: argparse.Namespace) -> None:
    from ucf11lib import grids

    grids.run(args.file, workers=args.workers, scheduler=args.scheduler)


def _evaluate(args: argparse.Namespace) -> None:
    from ucf11lib import jobs
    from ucf11lib.runs import Run

    found = jobs.evaluate(Run.open(args.run), args.store)
    if args.json:
        print(json.dumps(found))
        return
    print(f"{found['n']} sequences of {found['store']}: accuracy {found['accuracy']:.1%}, "
          f"macro F1 {found['macro_f1']:.3f}")  # fmt: skip
    for name, accuracy in zip(found["classes"], found["per_class_accuracy"], strict=True):
        print(f"  {name:20s} {'does not occur' if accuracy is None else f'{accuracy:6.1%}'}")


def _predict(args: argparse.Namespace) -> None:
    from ucf11lib.predict import predict
    from ucf11lib.runs import Run

    run = Run.open(args.run)
    found = predict(args.video, run)
    if args.json:
        print(json.dumps(found.as_dict() | {"run": str(run.path), "trained_on": run.note}))
        return
    print(f"{args.video}: {found.frames} frames, {len(found.track)} sequences; trained on {run.note}")
    for name, probability in found.ranking():
        print(f"  {name:20s} {probability:6.1%}")


def _reproduce(args: argparse.Namespace) -> None:
    from ucf11lib.reproduce import reproduce

    names = ("profile", "source", "data", "split", "only", "force")
    reproduce(**{name: getattr(args, name) for name in names})


def _runs(args: argparse.Namespace) -> None:
    from ucf11lib import paths, runs

    found = runs.listing(args.runs)
    if args.json:
        print(found.to_json(orient="records"))
    else:
        print(f"no runs in {paths.shown(args.runs or paths.runs_dir())}" if found.empty else runs.listed(found))


def _report(args: argparse.Namespace) -> None:
    from ucf11lib import paths, report

    for path in report.build(args.runs):
        print(paths.shown(path))


def _bench(args: argparse.Namespace) -> None:
    from ucf11lib import bench, paths

    found, folder = bench.run(args.models, args.profile, args.out)
    if args.json:
        print(json.dumps(found))
        return
    print(bench.text(found))
    print(f"bench: {paths.shown(folder)}/bench.json and bench.svg")


def _experiments(args: argparse.Namespace) -> None:
    from ucf11lib import experiments

    experiments.run(args.names, videos=args.videos, force=args.force)


def _add(commands, name: str, call: Callable, help_: str, example: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=help_,
        description=help_,
        epilog=f"example: python -m ucf11lib {example}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        prog=f"python -m ucf11lib {name}",
    )
    command.set_defaults(call=call)
    return command


def _data_options(command: argparse.ArgumentParser, source: str | None) -> None:
    command.add_argument("--source", default=source, required=source is None,
                         help="synthetic, course, ucf11 or videos")  # fmt: skip
    command.add_argument("--data", default="", metavar="DIR", help="the folder that the source reads")
    command.add_argument("--profile", default="quick", help="smoke, quick or full: size of network, run and data")


def _workers_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=int, metavar="N",
                         help="processes here; by default one for two processors, or one with a GPU")  # fmt: skip
    command.add_argument("--scheduler", default="", metavar="ADDRESS",
                         help="a Dask cluster to use instead, such as tcp://node1:8786")  # fmt: skip


def _add_stores(commands) -> None:
    c = _add(commands, "prepare", _prepare, "Turn a source of clips into a store of sequences.",
             "prepare --source videos --data my_videos --store my_store")  # fmt: skip
    _data_options(c, None)
    c.add_argument("--store", metavar="DIR", help="the new store; under data/ by default")
    c.add_argument("--fetch", nargs="?", const="", metavar="URL",
                   help="download and unpack UCF-11 first; resumes; another URL for a mirror")  # fmt: skip
    c.add_argument("--seed", type=int, default=0, help="of the synthetic data")
    c.add_argument("--group-pattern", metavar="REGEX", help="finds the group in a clip's relative path")
    c.add_argument("--window", type=int, metavar="FRAMES", help="a sequence; 30 by default")
    c.add_argument("--stride", type=int, metavar="FRAMES",
                   help="from one sequence's start to the next's; the window by default")  # fmt: skip
    c.add_argument("--size", type=int, metavar="PIXELS", help="a frame's side; 64 by default")
    c.add_argument("--broken", type=float, metavar="SHARE", help="of clips that may be undecodable; 0.02 by default")
    c.add_argument("--workers", type=int, metavar="N", help="processes that decode; one a processor by default")

    c = _add(commands, "verify", _verify, "Hold a store's bytes against their checksums and describe it.",
             "verify data/synthetic-quick-7bef6952")  # fmt: skip
    c.add_argument("store", metavar="STORE")

    c = _add(commands, "export", _export, "Write a store as the course's two pickles, for scripts that read those.",
             "export data/synthetic-quick-7bef6952 pickles")  # fmt: skip
    c.add_argument("store", metavar="STORE")
    c.add_argument("folder", metavar="FOLDER", help="where the two files go")


def _add_many_runs(commands) -> None:
    c = _add(commands, "crossval", _crossval, "Hold each group index out once, a run each; resumes.",
             "crossval cnn_lstm --source ucf11 --data UCF11_updated_mpg --split logo --workers 4")  # fmt: skip
    c.add_argument("model", help="c3d, vgg9 or cnn_lstm")
    c.add_argument("--recipe", default="repaired", help="repaired, 2019, peer_c3dsmall or peer_cnnlstm")
    _data_options(c, "synthetic")
    c.add_argument("--split", default="logo", help="logo: leave one group index out")
    c.add_argument("--seed", type=int, default=0, help="of weights, order, augmentation; the same for all folds")
    c.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                   help="change a field of the recipe or profile; may be repeated")  # fmt: skip
    c.add_argument("--choose", action="append", default=[], metavar="SETTINGS",
                   help="changes such as dropout=0.5,shift=8, or '' for none; of two or more, each fold gets what does "
                   "best on others")  # fmt: skip
    c.add_argument("--out", metavar="DIR", help="the folder of the summary; under runs/ by default")
    _workers_options(c)

    c = _add(commands, "sweep", _sweep, "Run every combination of a grid, and compare; resumes.",
             "sweep grid.yaml --workers 2")  # fmt: skip
    c.add_argument("file", metavar="FILE.yaml", help="'base': fields of a run, recipe or profile that all runs have; "
                   "'grid': fields with a list of values each")  # fmt: skip
    _workers_options(c)


def _add_train(commands) -> None:
    c = _add(commands, "train", _train, "Train a model and leave a run folder.",
             "train cnn_lstm --source videos --data my_videos --split group")  # fmt: skip
    c.add_argument("model", help="c3d, vgg9 or cnn_lstm")
    c.add_argument("--recipe", default="repaired", help="repaired, 2019, peer_c3dsmall or peer_cnnlstm")
    _data_options(c, "synthetic")
    c.add_argument("--store", metavar="DIR", help="an existing store, instead of preparing the source's own")
    c.add_argument("--split", default="group", help="random, video or group; logo with --fold")
    c.add_argument("--fold", default="", metavar="NAME", help="the group index that split logo holds out, such as 07")
    c.add_argument("--seed", type=int, default=0, help="of split, weights, order, augmentation")
    c.add_argument("--run", metavar="DIR", help="the new run folder; under runs/ by default")
    c.add_argument("--resume", action="store_true", help="go on with an unfinished run; begin if there is none")
    c.add_argument("--checkpoint-minutes", type=float, default=5, metavar="N",
                   help="of training from one checkpoint to the next, beside that after each epoch")  # fmt: skip
    c.add_argument("--tensorboard", action="store_true", help="leave TensorBoard's event files in the run folder, too")
    c.add_argument("--strategy", default="one", help="one device; mirrored over all GPUs here; or multiworker, over "
                   "the processes that $TF_CONFIG or a Slurm step names")  # fmt: skip
    c.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                   help="change a field of the recipe or profile; may be repeated")  # fmt: skip
    c.add_argument("--no-health", dest="health", action="store_false", help="let a training that cannot learn go on")
    c.add_argument("--overfit", type=int, metavar="N", help="only see whether N sequences can be learnt by heart")
    c.add_argument("--mixed-precision", action="store_true", help="half precision where that is safe; pays on GPUs")
    c.add_argument("--deterministic", action="store_true",
                   help="operations with one result only, on GPUs too; slower, see ucf11lib/config.py")  # fmt: skip


def parser() -> Parser:
    """Return the whole command line."""
    top = Parser(prog="python -m ucf11lib", description="Three action recognisers on UCF-11, and the report on them.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    c = _add(commands, "reproduce", _reproduce, "Run the notebooks in order; rebuild figures and report; resumes.",
             "reproduce --profile smoke --only 01_c3d")  # fmt: skip
    _data_options(c, "synthetic")
    c.add_argument("--split", default="group", help="random, video or group")
    c.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="these notebooks only; the report is not rebuilt"
    )
    c.add_argument("--force", action="store_true", help="do again what is up to date")

    _add_stores(commands)

    _add_train(commands)
    _add_many_runs(commands)

    c = _add(commands, "evaluate", _evaluate, "Measure a run on its held-out part, or on the whole of another store.",
             "evaluate --run runs/c3d-repaired-quick-synthetic-group-seed0")  # fmt: skip
    c.add_argument("--run", required=True, metavar="DIR")
    c.add_argument("--store", metavar="DIR", help="another store, all of it")
    c.add_argument("--json", action="store_true", help="print JSON")

    c = _add(commands, "predict", _predict, "Say what a video shows.",
             "predict clip.mp4 --run runs/c3d-repaired-quick-synthetic-group-seed0")  # fmt: skip
    c.add_argument("video", help="any video file that FFmpeg decodes")
    c.add_argument("--run", required=True, metavar="DIR")
    c.add_argument("--json", action="store_true", help="print JSON, with each window")

    c = _add(commands, "runs", _runs, "List runs, finished or not: status, epoch, accuracy, age.", "runs --json")
    c.add_argument("--runs", metavar="DIR", help="the folder of run folders; runs/ by default")
    c.add_argument("--json", action="store_true", help="print JSON; age is in seconds")

    c = _add(commands, "report", _report, "Rebuild the report from run folders.", "report --runs runs")
    c.add_argument("--runs", metavar="DIR", help="the folder of run folders; runs/ by default")

    c = _add(commands, "bench", _bench, "Hold the training's speed against the machine's own matrix product.",
             "bench --models cnn_lstm --profile quick --json")  # fmt: skip
    c.add_argument("--models", nargs="+", default=["c3d", "vgg9", "cnn_lstm"], metavar="MODEL")
    c.add_argument("--profile", nargs="+", default=["full", "quick"], metavar="NAME", help="the widths to measure")
    c.add_argument("--out", metavar="DIR", help="where table and figure go; under runs/ by default")
    c.add_argument("--json", action="store_true", help="print JSON")

    c = _add(commands, "experiments", _experiments, "Run the long experiments of report/results/; resumes.",
             "experiments weizmann --videos my_videos")  # fmt: skip
    c.add_argument("names", nargs="*", help="of report/results/, such as checks or sweep; all by default")
    c.add_argument("--videos", metavar="DIR", help="the folder that holds weizmann/")
    c.add_argument("--force", action="store_true", help="run again what has results already")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code: 0 ok, 1 failed, 2 bad usage."""
    args = parser().parse_args(arguments)
    try:
        args.call(args)
    except UserError as error:
        return _say(error, 2)
    except RunFailed as error:
        return _say(error, 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR):
            raise
        place = f"{error.filename or 'output'}: {error.strerror}; free some space or choose another place"
        return _say(f"{place}; go on with: {_again(arguments)}", 1)
    except KeyboardInterrupt as error:
        number = getattr(error, "number", signal.SIGINT)
        return _say(f"interrupted; go on where it was with: {_again(arguments)}", 128 + number)
    return 0


def _again(arguments: list[str] | None) -> str:
    """Return the command that goes on with what this one began."""
    words = [str(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    resume = ["--resume"] if words[0] == "train" and not {"--resume", "--overfit"} & set(words) else []
    return shlex.join(["python", "-m", "ucf11lib", *words, *resume])


def _say(message: object, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
