"""Figures and tables of the report: numbers in order of appearance, links to them, their source."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from PIL import Image

from ucf11lib.errors import RunFailed
from ucf11lib.report import tables
from ucf11lib.report.tables import Markdown
from ucf11lib.report.targets import own_file
from ucf11lib.studies import STUDIES, load

LINE = 6.5  # inches: the width of the report's text, and of its widest figure
WORDS = {"fig": "Figure", "tbl": "Table"}
NO_WORDS = re.compile(r'\s*\[@[^]]*\]|@[a-z]+-\w+@|[][*`"${}\\]')  # of Markdown
REFERENCE = re.compile(r"@(fig|tbl)-([a-z0-9_]+)@")


@dataclass
class Captions:
    """Numbers figures and tables of one document; `resolve` then fills in the links to them."""

    figures: Path  # the folder that figures are taken from
    show: Callable[[Path], str]  # returns the link to a figure's file
    commit: str
    why: Callable[[str], str]  # returns why a study's results are stale, as `studies.why_stale`
    foreign: bool = False  # whether the figures that notebooks drew are of other runs
    html: bool = True
    links: bool = True  # to report/results/, which is beside the checkout's report only
    numbers: dict[str, int] = field(default_factory=dict)

    def figure(self, name: str, words: str, source: str, key: str = "") -> Markdown:
        """Return a figure with number, caption and source; its key is `key` or the file's stem."""
        if self.foreign and source not in STUDIES:
            key = key or Path(name).stem
            caption = self._caption("fig", key, words, source)
            reason = "*Not shown: the figure at hand is of other runs.*"
            return Markdown(f"[{caption} {reason}]{{#fig-{key}}}")
        report = self.figures.parent  # the folder itself may be a link that leads out of it
        file = own_file(self.figures / name, report, "make it with 'make report'")
        kind = ".inline-svg " if file.suffix == ".svg" else ""
        caption = self._caption("fig", key or file.stem, words, source)
        width = f"width={100 * min(1, _inches(file) / LINE):.0f}%"
        looks = f'#fig-{key or file.stem} {kind}{width} alt="{NO_WORDS.sub("", words)}"'
        return Markdown(f"![{caption}]({self.show(file)}){{{looks}}}")

    def table(
        self, key: str, words: str, source: str,
        rows: pd.DataFrame, columns: Mapping[str, str] | None = None,
    ) -> Markdown:  # fmt: skip
        """Return rows as a table with number, caption and source."""
        return Markdown(f"{tables.pipe_table(rows, columns)}\n\n{self.caption(key, words, source)}")

    def caption(self, key: str, words: str, source: str | None = None) -> Markdown:
        """Return the caption of a table that is above it in the template."""
        return Markdown(f": {self._caption('tbl', key, words, source)} {{#tbl-{key}}}")

    def _caption(self, kind: str, key: str, words: str, source: str | None) -> str:
        name = f"{kind}-{key}"
        if name in self.numbers:
            raise RunFailed(f"report: {name} has two captions")
        self.numbers[name] = 1 + sum(one.startswith(kind) for one in self.numbers)
        caption = f"**{WORDS[kind]} {self.numbers[name]}.** {words}"
        if source is None:
            return caption
        small = "" if self.html else ' typst:text:size="7pt"'
        return f"{caption} [Made by {self._source(source)}.]{{.source{small}}}"

    def _source(self, name: str) -> Markdown:
        """Return the command, file and commit of a study's results or of a notebook's runs.

        Of several studies, separated by spaces, it is one command and each one's commit.
        """
        if " " in name:
            commits = ", ".join(self._commit(one) for one in name.split())
            return Markdown(f"`python -m ucf11lib study {name}`, commits {commits}")
        if name in STUDIES:
            return measured(name, self.why(name), self._results(name, "results"))
        command = f"python -m ucf11lib reproduce --only {name}"
        return Markdown(f"`{command}` ([model cards](models.md), commit {self.commit})")

    def _commit(self, name: str) -> str:
        """Return the commit of a study's results, with a link to them, and why they are stale."""
        results, reason = load(name), self.why(name)
        shown = self._results(name, results.commit[:7])
        shown += " with uncommitted changes" if results.dirty else ""
        return shown + (f" (**stale: {reason}**)" if reason else "")

    def _results(self, name: str, words: str) -> str:
        return f"[{words}](results/{name}.json)" if self.links else words

    def resolve(self, text: str) -> str:
        """Return the text with "@fig-leak@" and "@tbl-leak@" as links; raise if one is unknown."""

        def link(match: re.Match) -> str:
            kind, key = match.groups()
            if f"{kind}-{key}" not in self.numbers:
                raise RunFailed(f"report: no figure or table has the key {kind}-{key}")
            return f"[{WORDS[kind]} {self.numbers[f'{kind}-{key}']}](#{kind}-{key})"

        return REFERENCE.sub(link, text)


def measured(name: str, reason: str, file: str) -> Markdown:
    """Return by what, when and on what a study was measured, its `file`, and why it is stale."""
    results = load(name)
    one = results.machine
    where = one.get("description") or f"{one['processor']}, {one['cores']} cores"
    commit = results.commit[:7] + (" with uncommitted changes" if results.dirty else "")
    note = f"`{results.command}`, {results.date}, {where}, commit {commit}, {file}"
    if reason:
        note += f"; **stale: {reason}**"
    return Markdown(note)


def _inches(file: Path) -> float:
    """Return the width of a figure that `figures.save` wrote; of any other, a whole line."""
    if file.suffix == ".svg":
        points = re.search(r'<svg [^>]*width="([\d.]+)pt"', file.read_text()[:2000])
        return float(points[1]) / 72 if points else LINE
    with Image.open(file) as image:
        dpi = image.info.get("dpi", (0,))[0]
        return image.width / float(dpi) if dpi else LINE
