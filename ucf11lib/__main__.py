# PYTHON_ARGCOMPLETE_OK
"""The command line: parsing, one call each, and one line for a user's mistake."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

import argcomplete

from ucf11lib import options as opts
from ucf11lib.errors import UserError, end_within, one_line, open_streams, raise_on_signals
from ucf11lib.options import command, parser

# TensorFlow takes seconds to start: a command imports what uses it last, after what it may refuse.


def _given(args: argparse.Namespace, *names: str) -> dict:
    """Return those of the options that were given a value."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _config(args: argparse.Namespace, **more: object):
    """Return the run that the options of a command describe."""
    from ucf11lib.runs.config import RunConfig, parse_settings

    names = ("model", "recipe", "profile", "source", "data", "split", "fold", "seed")
    flat = _given(args, *(name for name in names if hasattr(args, name)))
    return RunConfig.of(**(flat | parse_settings(args.set, flat | more) | more))


def _measured_run(path: str):
    """Open a finished run; warn if its weights are not those that were measured."""
    from ucf11lib.runs import Run

    run = Run.open(path)
    if changed := run.changed():
        print(f"warning: {changed}", file=sys.stderr)
    return run


@command("reproduce --profile smoke --only 01_c3d", *opts.REPRODUCE)
def reproduce(args: argparse.Namespace) -> None:
    """Run the notebooks in order; rebuild figures and report; resumes."""
    from ucf11lib import models, report

    report.reproduce(**_given(args, "profile", "source", "data", "split", "only"), load=models.load)


@command("prepare --source videos --data my_videos --store my_store", *opts.DATA, *opts.PREPARING)
def prepare(args: argparse.Namespace) -> None:
    """Turn a source of clips into a store of sequences."""
    from ucf11lib.data import sources
    from ucf11lib.data.videos import archive
    from ucf11lib.runs import RunConfig

    if args.fetch is not None:
        if args.source != "ucf11" or args.data:
            raise UserError("--fetch goes with --source ucf11 and without --data")
        args.data = str(archive.ensure(args.fetch or archive.URL))
    names = ("profile", "source", "data", "group_pattern", "window", "stride", "size", "fps")
    flat = _given(args, *names, "render_seed")
    spec = RunConfig.of(model="cnn_lstm", precision="float32", **flat).data  # of any training
    path = args.store or sources.store_path(spec)
    print(sources.prepare(spec, path, **_given(args, "broken", "workers")).formatted())


@command("store verify my_store", *opts.STORES)
def store(args: argparse.Namespace) -> None:
    """Describe, verify or export a store; or delete those whose source changed since (prune)."""
    from ucf11lib.data import sources

    for line in sources.store_lines(args.action, args.path, args.folder):
        print(line)


@command("train cnn_lstm --source videos --data my_videos", *opts.TRAINING, *opts.ONE_RUN)
def train(args: argparse.Namespace) -> None:
    """Train a model and leave a run folder."""
    if args.strategy == "multiworker":  # a lost worker is one line of ours, twenty of TensorFlow's
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from ucf11lib.data import ClipStore

    opened = ClipStore.open(args.store) if args.store else None
    if opened and (args.data or args.source not in (None, opened.info.source)):
        away = f"--data {args.data}" if args.data else f"--source {args.source}"
        raise UserError(f"--store {args.store} holds {opened.info.source} data; omit {away}")
    more = _given(args, "precision", "deterministic") | (opened.flat() if opened else {})
    config = _config(args, health=not args.no_health, **more)
    if args.overfit is not None:
        opts.check_overfit(args)
        from ucf11lib import studies

        return studies.check_overfit(config, args.overfit, store=opened)
    from ucf11lib import training

    options = _given(args, "resume", "tensorboard")
    strategy = training.make_strategy(args.strategy)
    run = training.train(config, args.run, store=opened, strategy=strategy, **options)
    if training.worker_of(strategy).chief:
        training.print_result(run)


@command("crossval cnn_lstm --source ucf11 --data UCF11_updated_mpg --workers 4", *opts.FOLDS)
def crossval(args: argparse.Namespace) -> None:
    """Hold each group index out once, a run each; resumes."""
    from ucf11lib import studies

    options = _given(args, "workers", "scheduler", "out", "command")
    studies.crossval(_config(args, split="group"), candidates=args.choose, **options)


@command("study five_seeds --force", *opts.STUDIES)
def study(args: argparse.Namespace) -> None:
    """Run studies: many trainings, one table, one figure; resumes."""
    opts.check_study(args)
    from ucf11lib import studies

    if args.check:
        studies.check(args.names)
    elif not args.names and not args.all:
        raise UserError(f"study: give --all, a YAML file, or some of {', '.join(studies.STUDIES)}")
    else:
        options = _given(args, "workers", "scheduler", "videos", "force", "minutes")
        studies.run_studies(args.names or list(studies.STUDIES), **options)


@command("evaluate --run my_run --test-flip --windows 5", *opts.EVALUATE)
def evaluate(args: argparse.Namespace) -> None:
    """Evaluate a run on its held-out part, or on all of another store."""
    run = _measured_run(args.run)
    from ucf11lib import evaluation, models

    looks = {"flip": args.test_flip, "windows": args.windows}
    result = evaluation.evaluate(run, models.load(run), args.store, **looks)
    print(json.dumps(result) if args.json else evaluation.formatted(result))


@command("predict clip.mp4 --run my_run --out annotated.mp4", *opts.PREDICT)
def predict(args: argparse.Namespace) -> None:
    """Predict the class of a video, of each file of a folder (CSV), or of a stream (JSON lines)."""
    folder = args.video not in (None, "-") and Path(args.video).is_dir()
    if problem := opts.predict_conflict(args, folder):
        raise UserError(problem)
    run = _measured_run(args.run)
    from ucf11lib import evaluation, models
    from ucf11lib.evaluation import annotate, stream, videos

    by = evaluation.Classifier(run, models.load(run), args.test_flip)
    if folder:
        videos.write_predictions(args.video, by, args.out)
        return
    if args.camera or args.video == "-":
        for answer in stream.predict_stream(by, args.camera or stream.STDIN):
            print(json.dumps(answer), flush=True)
        return
    result = evaluation.predict_video(args.video, by, explain=args.explain)
    if args.out:
        from ucf11lib import figures

        annotate.write_annotated(result, Path(args.out), figures.overlay)
    print(json.dumps(result.as_dict()) if args.json else result.formatted(args.out))


@command("explore --run my_run --run another_run", *opts.EXPLORE)
def explore(args: argparse.Namespace) -> None:
    """Write a page that plays every held-out sequence, with the answers of some runs."""
    runs = [_measured_run(path) for path in args.run]
    from ucf11lib import models, paths, report

    page = report.explore(runs, models.load, Path(args.out) if args.out else None)
    print(f"explorer: {paths.display(page)}")


@command("export-model --run my_run --to onnx --out my_model.onnx", *opts.EXPORT)
def export_model(args: argparse.Namespace) -> None:
    """Write a run's network as SavedModel, ONNX or TFLite; compare its answers in that runtime."""
    run = _measured_run(args.run)
    from ucf11lib import models
    from ucf11lib.evaluation import export

    print(export.export_model(run, models.load(run), args.to, args.out))


@command("runs --json", opts.RUNS, opts.JSON)
def runs(args: argparse.Namespace) -> None:
    """List runs, finished or not: status, epoch, accuracy, age."""
    from ucf11lib.runs import listing

    table = listing.runs_table(args.runs)
    print(listing.as_json(table) if args.json else listing.formatted(table))


@command("report --runs runs", *opts.REPORT)
def report(args: argparse.Namespace) -> None:
    """Rebuild the report from run folders."""
    from ucf11lib import paths, report

    out = Path(args.out) if args.out else None
    print(*map(paths.display, report.build(args.runs, to=out)), sep="\n")


@command("site --out site", *opts.SITE)
def site(args: argparse.Namespace) -> None:
    """Build pages to publish: report, notebooks, explorer, model cards and library."""
    from ucf11lib import paths, report

    page = report.build_site(*(Path(one) if one else None for one in (args.report, args.out)))
    print(f"site: {paths.display(page)}")


@command("bench --models cnn_lstm --profile quick --json", *opts.BENCH)
def bench(args: argparse.Namespace) -> None:
    """Time the training step against the machine's own matrix product."""
    from ucf11lib import studies

    table = studies.bench(args.models, args.profile)
    print(table.to_json(orient="records") if args.json else table.to_string(index=False))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code: 0 ok, 1 failed, 2 bad usage."""
    open_streams()
    raise_on_signals()
    os.environ.pop("MPLBACKEND", None)  # no window is opened, and an unknown one is an error
    words = ["python", "-m", "ucf11lib", *(sys.argv[1:] if arguments is None else arguments)]
    try:
        argcomplete.autocomplete(top := parser())
        args = top.parse_args(words[3:])
        args.command = shlex.join(words)
        if args.call is train and not args.resume and args.overfit is None:
            words.append("--resume")
        args.call(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        line, code = one_line(error, shlex.join(words))
        print(f"error: {line}", file=sys.stderr)
        if code == 1 and arguments is None:
            end_within(seconds=10)
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
