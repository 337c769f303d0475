"""Run folders and study results become the report: Markdown by Jinja2, HTML and PDF by pandoc.

No number is typed by hand: an undefined one fails the build. Same numbers, same bytes. Text that
run folders bring along is shown as text, whatever markup it holds.
"""

import functools
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import pypandoc
import typst
from PIL import Image
from tqdm import tqdm

from ucf11lib import paths, text
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.report import cards, tables
from ucf11lib.report.captions import Captions
from ucf11lib.report.selection import are_main_job, select_runs
from ucf11lib.report.tables import Markdown
from ucf11lib.report.targets import check_report
from ucf11lib.runs import REPORTED, Run, list_runs, metrics_table
from ucf11lib.studies import STUDIES, load, summary_table, why_stale
from ucf11lib.studies.checks import bars_table
from ucf11lib.studies.signal import amplification

README_MARKS = ("<!-- results: begin -->", "<!-- results: end -->")
JPEG_QUALITY = 52  # the PDF stays below 1 MiB
MAX_TEXT = 2000  # characters of one value
# What a template raises that computes with whatever the results hold.
NOT_COMPUTED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def build(
    runs_dir: Path | str | None = None, *,
    to: Path | None = None, figures_dir: Path | None = None, runs: Mapping[str, Run] | None = None,
    why: Callable[[str], str] = why_stale,
) -> list[Path]:  # fmt: skip
    """Build `report.html`, `report.pdf` and the model cards, `models.md`; return them.

    Args:
        runs_dir: the run folders; `runs/` by default.
        to: where they go; `report/` by default, and then the README's table is rebuilt too.
        figures_dir: the figures; by default `to`'s own, else those of `figures/` of these runs.
        runs: by model; by default those of `select_runs`.
        why: returns why a study's results are stale, or empty.

    Raises:
        UserError: a run or a figure that the report shows is missing or damaged, or the report of
            other runs than the main job's would replace the checkout's.
        RunFailed: the template or the text is at fault.
    """
    if to is not None:
        check_report(to)
    others = False
    if runs is None:
        runs = select_runs(list_runs(runs_dir))
        others = not are_main_job(runs)
    if to is None and others:
        problem = "not the runs of 'make report'; their report would replace this checkout's"
        raise UserError(f"{runs_dir or 'runs'}: {problem}; say with --out DIR where it goes")
    for changed in filter(None, (run.changed() for run in runs.values())):
        print(f"warning: {changed}", file=sys.stderr)
    target = to or paths.REPORT
    if (target / "report.html").is_file() and (target / "figures").is_dir():
        figures_dir = figures_dir or target / "figures"
    known: dict[str, Any] = {"why": _counted(why), "foreign": others and not figures_dir}
    known["links"] = to is None
    captions = functools.partial(Captions, figures_dir or paths.FIGURES, **known)
    document = functools.partial(_document, runs=runs, captions=captions)
    with paths.temporary_dir(Path(tempfile.gettempdir(), "report")) as work:
        files = _render(document, work, embed=to is not None)
        for file in files:
            with paths.atomic_file(target / file.name) as copy:
                shutil.copyfile(file, copy)
    if to is None:
        update_readme(why)
    return [target / file.name for file in files]


def _counted(why: Callable[[str], str]) -> Callable[[str], str]:
    """Return a function that does as `why`, once a study, with a progress bar: it takes minutes."""
    bar = tqdm(total=len(STUDIES), desc="checking studies", unit="study", disable=None)

    @functools.cache
    def counted(name: str) -> str:
        reason = why(name)
        bar.update()
        return reason

    return counted


def _render(document: Callable[..., str], work: Path, *, embed: bool) -> list[Path]:
    """Write the report and the model cards to `work`, the page with its figures if `embed`."""
    page = document("report.md", show=_copied(work) if embed else _linked)
    paper = document("report.md", show=_printed(work), html=False)
    (work / "models.md").write_text(document("card.md", show=_linked))
    return [_html(page, work, embed=embed), _pdf(paper, work), work / "models.md"]


def _linked(file: Path) -> str:
    """Return the link from report/ to figures/; embedded, git would hold each figure twice."""
    return f"../figures/{file.name}"


def _copied(work: Path) -> Callable[[Path], str]:
    """Return a function that copies a figure to `work`, to be embedded."""
    return lambda file: shutil.copyfile(file, work / file.name).name


def _printed(work: Path) -> Callable[[Path], str]:
    """Return a function that copies a figure to `work`, pixels as JPEG, a quarter as large."""

    def printed(file: Path) -> str:
        if file.suffix != ".png":
            return shutil.copyfile(file, work / file.name).name
        with Image.open(file) as image:
            image.convert("RGB").save(
                work / f"{file.stem}.jpg", quality=JPEG_QUALITY, optimize=True
            )
        return f"{file.stem}.jpg"

    return printed


def _document(
    template: str,
    *,
    runs: Mapping[str, Run],
    captions: Callable[..., Captions],
    show: Callable[[Path], str],
    html: bool = True,
) -> str:
    """Return a template as Markdown; `show` returns the link to a figure's file."""
    commit = text.plain(runs[REPORTED[0]].environment["commit"] or "unknown", 7)
    numbered = captions(show=show, commit=commit, html=html)
    return numbered.resolve(fill(template, _context(runs, numbered, html)))


def _context(runs: Mapping[str, Run], captions: Captions, html: bool) -> dict:
    """Return the values and functions that the templates use."""
    first = runs[REPORTED[0]]
    dates = [load(file.stem).date for file in paths.RESULTS.glob("*.json")]
    return {
        "runs": runs,
        "first": first,
        "html": html,
        "links": captions.links,
        "kind": text.plain(first.data.data_kind),
        "synthetic": first.config.data.source == "synthetic",
        "metrics": metrics_table(runs).reset_index(names="model"),
        "pairs": lambda: tables.pairs(runs),
        "claims": lambda: tables.claims(fill("claims.md", {"tables": tables, "text": text})),
        "date": max(dates, default="none"),
        "figure": captions.figure, "table": captions.table, "caption": captions.caption,
        "tables": tables, "cards": cards, "text": text, "vars": vars,
        "summary": summary_table, "amplification": amplification, "bars": bars_table,
    }  # fmt: skip


def fill(template: str, context: Mapping) -> str:
    """Return a template of `report/` with its values; raises `RunFailed` on an undefined one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.REPORT), undefined=jinja2.StrictUndefined,
        finalize=_as_text, trim_blocks=True,
        variable_start_string="<<", variable_end_string=">>",
        block_start_string="<%", block_end_string="%>",
        comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    try:
        return environment.get_template(template).render(context)
    except (jinja2.TemplateError, *NOT_COMPUTED) as error:
        raise RunFailed(f"report/{template}: {_one_line(error)}") from None


def _as_text(value: object) -> str:
    return value if isinstance(value, Markdown) else text.plain(value, MAX_TEXT)


def update_readme(why: Callable[[str], str] = why_stale) -> None:
    """Put the table of five seeds between the README's marks."""
    path = paths.ROOT / "README.md"
    begin, end = README_MARKS
    results = load("five_seeds")
    reason = why("five_seeds")
    table = tables.pipe_table(tables.over_seeds("five_seeds"), tables.OVER_SEEDS)
    note = results.note + (f"; stale: {reason}" if reason else "")
    precision = " and ".join(results.table["precision"].unique())
    block = f"{begin}\n{table}\n\nOn sequences of unseen groups, in {precision} ({note}).\n{end}"
    pattern = re.compile(re.escape(begin) + ".*" + re.escape(end), re.DOTALL)
    page, places = pattern.subn(lambda _: block, path.read_text())
    if not places:
        raise RunFailed(f"README.md: the marks {begin} and {end} are missing; put them back")
    with paths.atomic_file(path) as temporary:
        temporary.write_text(page)


def _html(report: str, work: Path, embed: bool) -> Path:
    options = ["--mathml", "--toc", "--toc-depth=2", "--number-sections"]
    style = "report.css"
    if embed:
        options += [f"--resource-path={work}", "--embed-resources"]
        style = str(paths.REPORT / style)
    options.append(f"--css={style}")
    return _pandoc(report, "html5", work / "report.html", options)


def _pdf(report: str, work: Path) -> Path:
    options = [f"--include-in-header={paths.REPORT / 'report.typ'}"]
    options += ["--variable=papersize:a4", "--variable=fontsize:10pt"]
    options += ["--variable=section-numbering:1.1"]
    source = _pandoc(report, "typst", work / "report.typ", options)
    path = work / "report.pdf"
    fonts = [matplotlib.get_data_path() + "/fonts/ttf"]  # the figures' own
    same: dict[str, Any] = {"font_paths": fonts, "ignore_system_fonts": True, "timestamp": 0}
    try:
        typst.compile(str(source), output=str(path), root=str(work), **same)
    except typst.TypstError as error:
        raise RunFailed(f"report/report.md: typst: {error}") from None
    return path


def _pandoc(report: str, form: str, path: Path, options: list[str]) -> Path:
    references = f"--bibliography={paths.REPORT / 'references.bib'}"
    options = ["--standalone", "--citeproc", references, *options]
    sandbox = "--embed-resources" not in options  # else only named files are read
    arguments = {"format": "markdown-smart", "outputfile": str(path), "extra_args": options}
    try:
        pypandoc.convert_text(report, form, sandbox=sandbox, **arguments)
    except (RuntimeError, UnicodeError) as error:
        raise RunFailed(f"report/report.md: pandoc: {_one_line(error)}") from None
    return path


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
