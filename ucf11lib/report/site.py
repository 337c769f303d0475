"""The site: report, executed notebooks, explorer, model cards and the library's pages, linked.

Its pages work from a folder: no server, no network. A link that leads nowhere fails the build.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pypandoc

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.report.explorer import TEMPLATES
from ucf11lib.report.targets import check_own, own_file
from ucf11lib.runs.parsing import damage_in_one_line

REMEDY = "make it with 'make report'"
MARK = "<!-- written by python -m ucf11lib site -->"
FILES = ("report.html", "report.pdf", "explorer.html", "models.md")  # of a report's folder
PICTURE = "motion.webp"  # on the first page
NO_HTML = "markdown-smart-raw_html-raw_attribute"  # a report may be a stranger's
BAR = {
    "Start": "index.html",
    "Report": "report.html",
    "Notebooks": "index.html#notebooks",
    "Explorer": "explorer.html",
    "Model cards": "models.html",
    "Library": "api/ucf11lib.html",
}
LINK = re.compile(r'(<(?:a|img|link|script|video|source)\b[^>]*?\s(?:href|src)=")([^"#]+)')
TITLE = re.compile(r"<h1[^>]*>(.*?)<(?:/h1|a )", re.DOTALL)


def build_site(source: Path | None = None, out: Path | None = None) -> Path:
    """Build the site; return its first page. Files of its names are replaced, others are left.

    Args:
        source: the folder of a report, its explorer and executed notebooks; `report/` by default.
        out: the site's folder; `site/` by default.

    Raises:
        UserError: a page is missing, no ordinary file or a link that leads out of the report, or
            `out` has a page of another origin.
        RunFailed: pdoc failed, or a page links to what the site does not have.
    """
    source, out = source or paths.REPORT, out or paths.ROOT / "site"
    check_own(out / "index.html", MARK)
    notebooks = sorted((source / "notebooks").glob("*.html"))
    own = (source / "figures").is_dir()
    figures, whose = (source / "figures", source) if own else (paths.FIGURES, paths.FIGURES)
    for file in [*(source / name for name in FILES), *notebooks]:
        own_file(file, source, REMEDY)
    if not notebooks:
        raise UserError(f"{paths.display(source / 'notebooks')}: no page in it; {REMEDY}")
    own_file(figures / PICTURE, whose, REMEDY)
    with paths.temporary_dir(out) as work:
        (work / "notebooks").mkdir()
        for name in FILES:
            shutil.copy(source / name, work)
        for file in notebooks:
            shutil.copyfile(file, work / "notebooks" / file.name)
        shutil.copytree(paths.RESULTS, work / "results")
        (work / "figures").mkdir()
        for file in figures.iterdir():
            shutil.copyfile(own_file(file, whose, REMEDY), work / "figures" / file.name)
        shutil.copy(paths.REPORT / "report.css", work)
        _write_own_pages(work, source, notebooks)
        pages = {file.name: file for file in work.rglob("*") if file.is_file()}
        for page in work.rglob("*.html"):
            with damage_in_one_line(source / page.relative_to(work), REMEDY):
                page.write_text(_linked(page, work, pages))
        _write_api(work)
        for page in work.rglob("*.html"):
            page.write_text(_with_bar(page.read_text(), os.path.relpath(work, page.parent)))
        _move_all(work, out)
    return out / "index.html"


def _move_all(work: Path, out: Path) -> None:
    """Move the pages to `out`; a `UserError` if files of their names are there, but no site."""
    files = [file.relative_to(work) for file in sorted(work.rglob("*")) if file.is_file()]
    files.sort(key=lambda file: file != Path("index.html"))  # its mark is there, if this is killed
    others = [out / file for file in files if (out / file).exists()]
    if others and not (out / "index.html").exists():
        raise UserError(f"{others[0]}: exists, and is of no earlier site; choose another --out")
    for file in files:
        with paths.atomic_file(out / file) as copy:
            shutil.move(work / file, copy)


def _write_own_pages(work: Path, source: Path, notebooks: list[Path]) -> None:
    """Write `index.html`, `models.html` and the pages of docs/."""
    titles = []
    for file in notebooks:
        with damage_in_one_line(file, REMEDY):
            titles.append((TITLE.search(file.read_text()) or ["", file.stem])[1].strip())
    rows = [f"| [{file.stem}](notebooks/{file.name}) | {title} |"
            for file, title in zip(notebooks, titles, strict=True)]  # fmt: skip
    text = (TEMPLATES / "index.md").read_text().replace("{{notebooks}}", "\n".join(rows))
    sources = {"index": (text, "Three action recognisers on UCF-11")}
    with damage_in_one_line(source / "models.md", REMEDY):
        sources["models"] = ((work / "models.md").read_text(), "Model cards")
    for file in sorted((paths.ROOT / "docs").glob("*.md")):
        sources[file.stem] = (file.read_text(), file.stem.replace("_", " "))
    for name, (markdown, title) in sources.items():
        options = ["--standalone", "--css=report.css", "--metadata=lang:en"]
        options.append(f"--metadata=pagetitle:{title}")
        try:  # the sandbox reads no file and no address that the text names
            page = pypandoc.convert_text(markdown, "html5", NO_HTML, options, sandbox=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise RunFailed(f"{name}.md: pandoc: {reason}; {REMEDY}") from None
        (work / f"{name}.html").write_text(page)
    (work / "models.md").unlink()
    first = work / "index.html"
    first.write_text(first.read_text().replace("<!DOCTYPE html>", f"<!DOCTYPE html>\n{MARK}", 1))


def _write_api(work: Path) -> None:
    """Write the library's pages, in a process of their own: pdoc imports every module.

    It works in `work`: should this process be killed, pdoc cannot make that folder again after the
    next one removed it.
    """
    command = [sys.executable, "-P", "-m", "pdoc", "ucf11lib", "--output-directory", "api"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(paths.ROOT), *sys.path])}
    done = subprocess.run(
        command, cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        raise RunFailed(f"pdoc: {reason}; install requirements.txt")


def _linked(page: Path, root: Path, pages: dict[str, Path]) -> str:
    """Return a page in which links to the repository's files lead to the site's own pages."""

    def target(match: re.Match) -> str:
        start, link = match.groups()
        if re.match(r"(?!file:)[a-z]+:|api/", link):
            return match[0]
        file = paths.resolved(page.parent / unquote(link))
        if file.exists() and file.is_relative_to(paths.resolved(root)):
            return match[0]
        name = re.sub(r"\.(ipynb|md)$", ".html", Path(link).name)
        if name not in pages:
            raise RunFailed(f"{page.name}: links to {link[:200]}, which the site does not have")
        return start + os.path.relpath(pages[name], page.parent)

    return LINK.sub(target, page.read_text())


def _with_bar(text: str, root: str) -> str:
    """Return a page with links to the others on top; `root` is the way to the site's folder."""
    links = "".join(f'<a href="{root}/{page}">{name}</a>' for name, page in BAR.items())
    bar = (TEMPLATES / "bar.html").read_text().replace("{{links}}", links)
    bar, style = bar.split("\n", 1)
    text = text.replace("</head>", f"{style}</head>", 1)
    return re.sub(r"<body[^>]*>", lambda body: body[0] + bar, text, count=1)
