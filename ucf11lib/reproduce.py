"""The main job: the notebooks in order, and the report, in a working folder; on success all is put in its place.

Those that train have the machine to themselves, since their seconds are reported. Of the others two run at a time: much
of what they do, from starting TensorFlow to drawing, keeps one core busy.

A step, which is a notebook or the report, is done again only if what it was made from has changed or what it left is
not as it left it (`ucf11lib.manifest`). The working folder of each set of parameters keeps its name, so a killed job
goes on after its last finished notebook, and the notebook that it was at goes on with the training that it was at.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ucf11lib import notebooks, paths, recipes
from ucf11lib.config import RunConfig
from ucf11lib.data import sources
from ucf11lib.errors import RunFailed
from ucf11lib.manifest import KINDS, Manifest, digest, plan, standing

DEFAULT = {"profile": "quick", "source": "synthetic", "data": "", "split": "group"}
TOGETHER = ("06_evaluation", "05_autopsy", "04_comparison", "00_data")  # train nothing that is there; the longest first
REPORT = "report"  # the last step, after all notebooks
TEXTS = ("report.md", "card.md", "conclusion.md", "report.css", "report.typ")


def reproduce(
    *,
    profile: str = "quick",
    source: str = "synthetic",
    data: str = "",
    split: str = "group",
    only: Sequence[str] = (),
    force: bool = False,
) -> Path:
    """Run the notebooks, collect runs, figures and executed copies, and rebuild the report, as far as that is not done.

    The default parameters rebuild `figures/` and `report/` of the checkout. Any others leave those alone, since their
    figures may show people and their numbers are of other data: they fill `runs/report-<parameters>/` instead.
    Two processes with the same parameters take turns.

    Args:
        profile, source, data, split: as for a training; every notebook gets them.
        only: names of notebooks; their runs, figures and copies are put in place, the report is not rebuilt.
        force: do again what is done, too.

    Returns:
        The folder that holds the executed notebooks.

    Raises:
        UserError: an unknown notebook, profile, source or split, or data that cannot be prepared.
        RunFailed: a notebook raised; nothing of the old results was changed.
    """
    parameters = {
        "profile": profile,
        "source": source,
        "data": str(Path(data).resolve()) if data else "",
        "split": split,
    }
    RunConfig.of(model="c3d", **parameters)
    chosen = notebooks.choose(only)
    for path in chosen:
        notebooks.check_parameters(path, [*parameters, "figures_dir"])
    target = Target.of(parameters)
    store = sources.ensure(source, data=parameters["data"], profile=recipes.profile(profile, "c3d"))
    target.work.parent.mkdir(parents=True, exist_ok=True)
    with paths.turn(target.work.with_name(f"{target.work.name}.lock")):
        made_from = plan(parameters, store)
        known, changed = Manifest.read(target.manifest, made_from)
        if changed:
            print(f"changed since the last time: {', '.join(changed)}")
        job = Job([path.stem for path in chosen] + [REPORT] * (not only), parameters, target)
        job.run(Manifest(made_from) if force else known, force)
    print(f"executed notebooks: {paths.shown(target.folders['notebooks'])}")
    return target.folders["notebooks"]


@dataclass(frozen=True)
class Target:
    """Where the results of one set of parameters belong.

    Attributes:
        folders: the folder of each kind of output.
        work: the folder to work in.
    """

    folders: dict[str, Path]
    work: Path

    @classmethod
    def of(cls, parameters: dict) -> "Target":
        """The checkout for the default parameters, else a folder of their own."""
        source = parameters["source"] + (f"_{Path(parameters['data']).name}" if parameters["data"] else "")
        own = paths.runs_dir() / f"report-{parameters['profile']}-{source}-{parameters['split']}"
        default = parameters == DEFAULT
        report, figures = (paths.REPORT, paths.FIGURES) if default else (own, own / "figures")
        folders = {"runs": paths.runs_dir(), "figures": figures, "notebooks": report / "notebooks", "report": report}
        return cls(folders, own.with_name(f".{own.name}"))

    @property
    def manifest(self) -> Path:
        """What is known of the results that are in place."""
        return self.folders["notebooks"] / "manifest.json"

    def where(self, output: str) -> Path:
        """Return the place of an output, named as in a manifest."""
        kind, _, name = output.partition("/")
        return self.folders[kind] / name


@dataclass(frozen=True)
class Job:
    """The steps to do for one target.

    Attributes:
        steps: names of notebooks, and of the report.
        parameters: of every notebook.
        target: where the results belong.
    """

    steps: Sequence[str]
    parameters: dict[str, str]
    target: Target
    _bookkeeping: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def _rounds(self) -> tuple[list[str], list[str], list[str]]:
        """Which run alone, which then run two at a time, and the report.

        If some were asked for by name all run alone, since they train what is not there.
        """
        together = [step for step in TOGETHER if step in self.steps and REPORT in self.steps]
        last = [REPORT] * (REPORT in self.steps)
        return [step for step in self.steps if step not in together + last], together, last

    def run(self, placed: Manifest, force: bool = False) -> None:
        """Do the steps that `placed`, what is known of the results in place, does not hold."""
        work = self.target.work
        if all(placed.holds(step, _inputs(step, placed), self.target.where) for step in self.steps):
            for step in self.steps:
                print(f"{step}: up to date")
        else:
            known, (alone, together, last) = self._begun(placed, force), self._rounds
            for step in alone:
                self._do(step, known)
            self._do_together(together, known)
            for step in last:
                self._do(step, known)
            self._put_in_place(known)
        (work / "manifest.json").unlink(missing_ok=True)  # first: what is left without it is not gone on with
        shutil.rmtree(work, ignore_errors=True)

    def _begun(self, placed: Manifest, force: bool) -> Manifest:
        """Return what the working folder holds: what an interrupted try left there, else copies of what is in place."""
        work, file = self.target.work, self.target.work / "manifest.json"
        if file.exists() and not force:
            begun, changed = Manifest.read(file, placed.plan)
            if not changed:
                return begun
        shutil.rmtree(work, ignore_errors=True)
        for kind in KINDS:
            (work / kind).mkdir(parents=True)
        for output in standing(placed.outputs(*KINDS), self.target.where):
            _put(self.target.where(output), work / output)
        placed.write(file)
        return placed

    def _do_together(self, steps: Sequence[str], known: Manifest) -> None:
        """Do steps that only read the runs, two at a time; where one fails, the others end first, and are done."""
        from jupyter_core.utils import ensure_event_loop

        def do(step: str) -> None:
            try:
                self._do(step, known, alone=False)
            finally:
                ensure_event_loop().close()  # Jupyter leaves that of a thread open

        runs_dir = str(self.target.work / "runs")
        # Both are of the whole process, and each notebook sets them and then brings back what it found.
        with paths.environment(UCF11_RUNS=runs_dir), contextlib.chdir(paths.NOTEBOOKS), ThreadPoolExecutor(2) as pool:
            list(pool.map(do, steps))

    def _do(self, step: str, known: Manifest, alone: bool = True) -> None:
        """Do a step in a folder of its own in the working folder, unless it is done."""
        work, order = self.target.work, [name for steps in self._rounds for name in steps]
        title = f"[{order.index(step) + 1}/{len(order)}] {step}"
        own, start, seconds = work / f".{step}", time.perf_counter(), None
        with self._bookkeeping:
            made_from = _inputs(step, known)
            if known.holds(step, made_from, work.joinpath):
                print(f"{title}: up to date")
                return
            for output in known.steps.pop(step, {"outputs": {}})["outputs"]:
                if not output.startswith("runs/"):  # a run answers for itself: `jobs.ensure` trains where it must
                    (work / output).unlink(missing_ok=True)
        shutil.rmtree(own, ignore_errors=True)
        for kind in KINDS:
            (own / kind).mkdir(parents=True)
        if alone:
            print(f"{title} ...", end="", flush=True)
        try:
            if step == REPORT:
                _report(work, own / "report")
            else:
                where = {"runs_dir": work / "runs", "failed": self.target.folders["runs"] / f"failed-{step}.ipynb"}
                seconds = notebooks.execute(paths.NOTEBOOKS / f"{step}.ipynb", own, self.parameters, **where)
        except RunFailed:
            print(" failed" if alone else f"{title} ... failed")
            raise
        with self._bookkeeping:
            left = [f"{kind}/{path.name}" for kind in KINDS for path in sorted((own / kind).iterdir())]
            for output in left:
                (own / output).replace(work / output)
            others = standing(known.outputs("runs"), work.joinpath)
            trained = [f"runs/{path.name}" for path in sorted((work / "runs").glob("[!.]*"))]
            left += [run for run in trained if run not in others]
            outputs = {output: digest([work / output]) for output in left}
            known.steps[step] = {"made_from": made_from, "outputs": outputs, "seconds": seconds}
            known.write(work / "manifest.json")
            print("" if alone else f"{title} ...", f"{time.perf_counter() - start:.0f} s", flush=True)
        shutil.rmtree(own)

    def _put_in_place(self, known: Manifest) -> None:
        """Copy what the finished steps left to where it belongs; killed in the middle, it is done again."""
        from ucf11lib import report, runs

        outputs = known.outputs(*KINDS)
        for output in standing(outputs, self.target.work.joinpath):
            if digest([self.target.where(output)]) != outputs[output]:
                _put(self.target.work / output, self.target.where(output))
        if REPORT in self.steps and self.target.folders["report"] == paths.REPORT:
            report.update_readme(report.choose(runs.find(self.target.folders["runs"])))
        known.write(self.target.manifest)


def _inputs(step: str, known: Manifest) -> str:
    """Return a hash of what this step is made from beside the plan; a notebook sees the runs of those before it."""
    results = paths.RESULTS.glob("*.json")
    if step == REPORT:
        return digest([*results, *(paths.REPORT / name for name in TEXTS)], known.outputs("runs", "figures"))
    files = [paths.NOTEBOOKS / f"{step}.ipynb", paths.REPORT / "conclusion.md", *results]
    return digest(files, known.outputs("runs", before=step))


def _put(path: Path, to: Path) -> None:
    """Copy a file or a folder, over what is there; it appears whole or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    temporary = to.with_name(f".partial-{to.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    if path.is_dir():
        shutil.copytree(path, temporary, ignore=shutil.ignore_patterns(".*"))
        shutil.rmtree(to, ignore_errors=True)
    else:
        shutil.copyfile(path, temporary)
    temporary.replace(to)


def _report(work: Path, to: Path) -> None:
    from ucf11lib import report

    report.build(work / "runs", figures=work / "figures", to=to, manifest=work / "manifest.json")
