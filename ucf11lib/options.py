"""How commands and their options are declared, and the options that several commands have."""

import argparse
import os
from collections.abc import Callable
from typing import Any, NoReturn

COMMANDS: list[tuple[Callable, str, tuple]] = []


class Parser(argparse.ArgumentParser):
    """Says what was wrong in one line."""

    def print_help(self, file: Any = None) -> None:
        """Print the help text, or raise what hinders, which argparse does not."""
        print(self.format_help(), end="", file=file)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(2, f"error: {message}; see '{self.prog} --help'\n")


def option(name: str, help_: str, default: object = None, **settings: object) -> tuple:
    """Return the arguments of one `add_argument`; "--run DIR" names an option and its metavar."""
    name, _, metavar = name.partition(" ")
    shown = " ".join(default) if isinstance(default, list) else default
    if isinstance(shown, str | int) and shown != "":
        help_ += f" (default: {shown})"
    if metavar:
        settings["metavar"] = metavar
    return name, {"help": help_, "default": default} | settings


def flag(name: str, help_: str) -> tuple:
    """Return the arguments of one `add_argument` for an option without a value."""
    return name, {"help": help_, "action": "store_true"}


def command(example: str, *options: tuple) -> Callable:
    """Register a function as the command of its name; its docstring is the help."""

    def register(call: Callable) -> Callable:
        COMMANDS.append((call, example, options))
        return call

    return register


def parser() -> Parser:
    """Return the command line with all commands."""
    description = "Three action recognisers on UCF-11, and the report on them."
    top = Parser(prog="python -m ucf11lib", description=description)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for call, example, options in COMMANDS:
        name, about = call.__name__.replace("_", "-"), call.__doc__
        epilog = f"example: {top.prog} {example}"
        one = commands.add_parser(name, help=about, description=about, epilog=epilog)
        one.set_defaults(call=call)
        for name, settings in options:
            one.add_argument(name, **settings)
    return top


DATA = (
    option("--profile", "smoke, quick or full: size of network and run", "quick"),
    option("--source", "synthetic (the default), course, ucf11 or videos"),
    option("--data DIR", "the folder that the source reads", ""),
)
REPRODUCE = (
    *DATA,
    option("--split", "random, video or group", "group"),
    option("--only NAME", "these notebooks, no report", [], nargs="+"),
)
TRAINING = (
    option("model", "c3d, vgg9, cnn_lstm or another of ucf11lib/models/registry.py"),
    option("--recipe", "repaired, 2019, peer_c3dsmall or peer_cnnlstm", "repaired"),
    *DATA,
    option("--seed", "of split, weights, order, augmentation and dropout", 0),
    option("--set FIELD=VALUE", "change a field of recipe, profile or data", [], action="append"),
)
PREPARING = (
    option("--store DIR", "the new store; under data/ by default"),
    option("--fetch URL", "download UCF-11 first; resumes", nargs="?", const=""),
    option("--render-seed SEED", "of the synthetic data"),
    option("--group-pattern REGEX", "finds the group in a clip's relative path"),
    option("--window FRAMES", "in a sequence; 30 by default"),
    option("--stride FRAMES", "from one sequence's start to the next's; the window by default"),
    option("--size PIXELS", "a frame's side; 64 by default"),
    option("--fps RATE", "resample clips of different rates to this many frames a second"),
    option("--broken SHARE", "of clips that may fail to decode; 0.02 by default", type=float),
    option("--workers N", "processes that decode; one a processor by default", type=int),
)
ONE_RUN = (
    option("--store DIR", "an existing store, instead of the source's own"),
    option("--split", "random, video or group; logo with --fold", "group"),
    option("--fold NAME", "the group index that split logo holds out, such as 07", ""),
    option("--run DIR", "the new run folder; under runs/ by default"),
    flag("--resume", "continue an unfinished run; begin if there is none"),
    flag("--tensorboard", "write TensorBoard's event files too"),
    option("--strategy", "one, mirrored (all GPUs) or multiworker ($TF_CONFIG or Slurm)", "one"),
    option("--precision", "auto (this machine's fastest), float32, bfloat16 or float16", "auto"),
    flag("--no-health", "let a training that cannot learn continue"),
    option("--overfit N", "only test whether the model memorises N sequences", type=int),
    flag("--deterministic", "the same numbers each time on GPUs too; slower"),
)
MANY_RUNS = (
    option("--workers N", "processes; by default one for two processors", type=int),
    option("--scheduler ADDRESS", "a Dask cluster instead, such as tcp://node1:8786", ""),
)
FOLDS = (
    *TRAINING,
    *MANY_RUNS,
    option("--split", "logo: leave one group index out", "logo", choices=("logo",)),
    option("--choose A=1,B=2", "settings; each fold gets the best of several", [], action="append"),
    option("--out DIR", "the folder of the summary; under runs/ by default"),
)
STORES = (
    option("action", "what to do", choices=("describe", "verify", "export", "prune")),
    option("path", "the store's folder; for prune that of all stores, data/ by default", nargs="?"),
    option("folder", "of the course's two files, for export", nargs="?"),
)
STUDIES = (
    option("names", "studies, or FILE.yaml: 'base' fields and a 'grid' of lists", nargs="*"),
    flag("--all", "all studies of report/results/"),
    flag("--check", "say which results are stale; two minutes for all"),
    *MANY_RUNS,
    option("--videos DIR", "holds weizmann/, which many studies need; ../shared/videos by default"),
    flag("--force", "run again what has results"),
    option(
        "--minutes N",
        "train the runs of full_width, for so many minutes",
        type=float,
    ),
)
JSON = flag("--json", "print JSON")
RUN = (option("--run DIR", "a finished run folder", required=True), JSON)
RUNS = option("--runs DIR", "the folder of run folders; runs/ by default")
EVALUATE = (
    *RUN,
    option("--store DIR", "another store, all of it"),
    flag("--test-flip", "answer with the mean of a sequence and its mirror image"),
    option("--windows N", "cut up to N evenly spread sequences from each clip", type=int),
)
PREDICT = (
    option(
        "video", "a video; a folder (exit code 1 if a file has no answer); - for stdin", nargs="?"
    ),
    *RUN,
    option("--out FILE", "a new file: the annotated video (.mp4), or a folder's table (.csv)"),
    flag("--explain", "draw into the video where the network looks, too (Grad-CAM)"),
    flag("--test-flip", "mean of each sequence and its mirror image"),
    option("--camera DEVICE", "a stream from a camera, such as /dev/video0; a JSON line a second"),
)
EXPLORE = (
    option("--run DIR", "a finished run; again for others", [], action="append", required=True),
    option("--out FILE", "the page; explorer.html in the first run's folder by default"),
)
SITE = (
    option("--report DIR", "a report's folder; by default report/, after 'make report'"),
    option("--out DIR", "the site's folder; site/ by default"),
)
EXPORT = (
    RUN[0],
    option("--to FORMAT", "savedmodel, onnx or tflite", required=True),
    option("--out PATH", "the new file or folder; in the run's folder by default"),
)
REPORT = (
    RUNS,
    option("--out DIR", "the report's folder; report/ by default, with the README's table"),
)
BENCH = (
    option("--models MODEL", "the networks", ["c3d", "vgg9", "cnn_lstm"], nargs="+"),
    option("--profile NAME", "the widths", ["full", "quick"], nargs="+"),
    JSON,
)


def check_overfit(args: argparse.Namespace) -> None:
    """End with one line for an option of train that has no meaning with --overfit."""
    for name in ("run", "resume", "tensorboard", "deterministic", "strategy"):
        if vars(args)[name] not in (None, False, "one"):
            problem = f"--overfit leaves no run and has one device; omit --{name}"
            Parser(prog="python -m ucf11lib train").error(problem)


def check_study(args: argparse.Namespace) -> None:
    """End with one line for options of study that do not fit each other."""
    refuse = Parser(prog="python -m ucf11lib study").error
    if args.names and args.all:
        refuse("give names or --all, not both")
    for name in ("workers", "scheduler", "videos", "force", "minutes"):
        value = vars(args)[name]
        if args.check and not (value is None or value is False or value == ""):
            refuse(f"--check runs nothing; omit --{name}")


def predict_conflict(args: argparse.Namespace, folder: bool) -> str:
    """Return which of predict's options do not fit each other, or which file exists; else ""."""
    if bool(args.camera) == bool(args.video):
        return "predict: give a video, a folder, - for stdin, or --camera"
    if (args.explain and (folder or not args.out)) or (folder and args.json):
        return "predict: --explain needs a video and --out; --json is not for a folder"
    if args.out and (args.camera or args.video == "-"):
        return f"--out {args.out}: a stream has no file; redirect its lines with >"
    suffix = ".csv" if folder else ".mp4"
    if args.out and not args.out.endswith(suffix):
        return f"--out {args.out}: give a name that ends in {suffix}"
    exists = args.out and os.path.lexists(args.out)
    return f"--out {args.out}: exists; delete it, or give another name" if exists else ""
