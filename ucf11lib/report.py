"""Run folders and result tables -> the report: Markdown with Jinja2 -> HTML and, by way of typst, PDF.

No number is typed by hand: an undefined one fails the build. Same numbers, same bytes.
"""

import math
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
import matplotlib
import numpy as np
import pandas as pd

from ucf11lib import (
    ablation,
    amplification,
    autopsy,
    cards,
    costs,
    dissection,
    evaluation,
    experiments,
    leak,
    normalisation,
    paths,
    recipes,
    runs,
)
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs import Run
from ucf11lib.style import percent, shown_name

TEMPLATE = "report.md"
README_MARKS = ("<!-- results: begin -->", "<!-- results: end -->")


def build(
    folder: Path | str | None = None,
    *,
    figures: Path | None = None,
    to: Path | None = None,
    manifest: Path | None = None,
) -> list[Path]:
    """Build `report.html`, `report.pdf` and the model cards, `models.md`.

    Args:
        folder: the run folders; `runs/` by default.
        figures: the figures that the template names; `figures/` by default.
        to: where they go; `report/` by default, and then the README's table is rebuilt too.
        manifest: says where the seconds of the notebooks went; that beside `report/notebooks/` by default.

    Returns:
        The files written.

    Raises:
        UserError: a run or a figure that the report shows is not there.
        RunFailed: the template or the text is at fault.
    """
    found = choose(runs.find(folder))
    figures, target = figures or paths.FIGURES, to or paths.REPORT
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        text = render(found, figures, work, manifest or paths.REPORT / "notebooks" / "manifest.json")
        built = [_html(text, work), _pdf(text, work), _cards(found, work)]
        target.mkdir(parents=True, exist_ok=True)
        for path in built:
            with paths.whole_file(target / path.name) as whole:
                shutil.copyfile(path, whole)
    if to is None:
        update_readme(found)
    return [target / path.name for path in built]


def choose(candidates: list[Run]) -> dict[str, Run]:
    """Return each model's run of the repaired recipe as it is; of several sets, the default data's or the first.

    Raises:
        UserError: no set has all three models.
    """
    sets: dict[tuple, dict[str, Run]] = {}
    for run in candidates:
        c = run.config
        as_it_is = not c.get("settings") and c.get("health", True) and not c["mixed_precision"]
        if c["recipe"] == "repaired" and as_it_is:
            key = tuple(c[name] for name in ("profile", "source", "data", "split", "seed"))
            sets.setdefault(key, {})[c["model"]] = run
    whole = {key: found for key, found in sets.items() if set(found) == set(recipes.MODELS)}
    if not whole:
        raise UserError("no finished runs of all three models on the same data; make them with 'make report'")
    chosen = whole.get(("quick", "synthetic", "", "group", 0)) or next(iter(whole.values()))
    return {model: chosen[model] for model in recipes.MODELS}


def render(found: dict[str, Run], figures: Path, work: Path, manifest: Path) -> str:
    """Fill the template; the figures that it shows are copied to `work`."""
    cost = {
        key: pipe_table(value) if isinstance(value, pd.DataFrame) else value
        for key, value in costs.tables(manifest).items()
    }
    effects = normalisation.effects(experiments.load("inputs")["rows"])
    context = _autopsy() | {
        "runs": found,
        "name": shown_name,
        "data": next(iter(found.values())).config,
        "results": experiments.tables(),
        "figure": _figure_numbers(figures, work),
        "results_table": results_table(found),
        "changes": changes_table(found),
        "measures": measures_table(found),
        "pairs": pairs_table(found),
        "baselines": baselines_table,
        "leak": pipe_table(leak.table(experiments.load("leak")["rows"])),
        "subjects": subjects_table,
        "subject_folds": folds_table,
        "normalisations": pipe_table(normalisation.table(experiments.load("inputs")["rows"])),
        "effects": pipe_table(effects),
        "effect": effects.set_index("data").to_dict("index"),
        "normalisation_seeds": ", ".join(map(str, normalisation.SEEDS)),
        "cost": cost,
        "share": lambda value: "none" if value is None else percent(value, 1),
        "seconds": lambda value: "never" if value is None else f"{value:.0f} s",
    }
    return _fill(TEMPLATE, context)


def _cards(found: dict[str, Run], work: Path) -> Path:
    path = work / "models.md"
    path.write_text(_fill("card.md", {"cards": [cards.card(run) for run in found.values()], "percent": percent}))
    return path


def conclusion() -> str:
    """Return the autopsy's conclusion, written from the measured values."""
    return _fill("conclusion.md", _autopsy())


def _autopsy() -> dict:
    """Return what the section on 2019 reads: tables, and ways to look numbers up."""
    found, repairs = experiments.load("autopsy"), experiments.load("ablation")
    signals = amplification.summary(found["signals"])
    readings = autopsy.readings().set_index(["classes", "batch_size"])
    cells = {(cell["inputs"], cell["head"], cell["init"]): cell for cell in found["cells"]}
    accuracies = {(row["model"], row["change"]): row["accuracy"] for row in repairs["rows"]}
    return {
        "autopsy": found,
        "ablation": repairs,
        "lattices": found["rows"],
        "grid": found["grid"],
        "overfit": found["overfit"],
        "signals": signals.to_dict("records"),
        "worst_off": signals["off"].max(),
        "factorial": pipe_table(dissection.factorial_table(found["cells"])),
        "ladder": pipe_table(ablation.table(repairs["rows"])),
        "seeds": ", ".join(map(str, ablation.SEEDS)),
        "chance": math.log(11),
        "percent": percent,
        "cell": lambda *factors: cells[factors],
        "signal": lambda model: signals[(signals["model"] == model) & (signals["recipe"] == "2019")].iloc[0],
        "mean": lambda model, change: float(np.mean(accuracies[model, change])),
        "learnt": lambda recipe: sum(cell["accuracy"] == 1 for cell in found["grid"][recipe]),
        "misfit": lambda *key: readings.loc[key, "worst"],
        "points": lambda *key: readings.loc[key, "points"],
    }


def _fill(template: str, context: dict) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.REPORT),
        undefined=jinja2.StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
    )
    try:
        return environment.get_template(template).render(context)
    except jinja2.TemplateError as error:
        raise RunFailed(f"report/{template}: {error}") from None


def results_table(found: dict[str, Run]) -> str:
    """Return the three models' figures as a Markdown table."""
    rows = []
    for model, run in found.items():
        m = run.metrics
        rows.append(
            {
                "model": shown_name(model),
                "held-out accuracy": percent(m["accuracy"], 1),
                "macro F1": f"{m['macro_f1']:.3f}",
                "training": f"{m['seconds']:.0f} s",
                "to 75 %": "never" if m["seconds_to_75"] is None else f"{m['seconds_to_75']:.0f} s",
                "parameters": f"{m['parameters']:,}",
            }
        )
    return pipe_table(pd.DataFrame(rows))


def measures_table(found: dict[str, Run]) -> str:
    """Return accuracy with its interval, and what else was measured on the held-out part, as a Markdown table."""
    rows = []
    for model, m in runs.measures(found).iterrows():
        rows.append(
            {
                "model": shown_name(model),
                "accuracy": percent(m["accuracy"], 1),
                "95 % interval": _range(m),
                "by clip": percent(m["accuracy_clip"], 1),
                "true class among two": percent(m["top2"], 1),
                "macro F1": f"{m['macro_f1']:.3f}",
                "ECE": percent(m["ece"], 1),
            }
        )
    return pipe_table(pd.DataFrame(rows))


def pairs_table(found: dict[str, Run]) -> str:
    """Return the paired comparisons of every two models as a Markdown table."""
    rows = []
    for pair in evaluation.pairs({model: run.held_out for model, run in found.items()}).to_dict("records"):
        rows.append(
            {
                "models": f"{shown_name(pair['a'])}, {shown_name(pair['b'])}",
                "clips": pair["clips"],
                "only the first right": pair["only_a"],
                "only the second": pair["only_b"],
                "p": f"{pair['p_value']:.3f}",
                "difference, points": f"{100 * pair['difference']:.1f}",
                "95 % interval": _range(pair),
            }
        )
    return pipe_table(pd.DataFrame(rows))


def subjects_table(rows: Sequence[Mapping]) -> str:
    """Return what leaving each subject out once found, a model a row, as a Markdown table."""
    return pipe_table(
        pd.DataFrame(
            {
                "model": shown_name(row["model"]),
                "accuracy by clip": percent(row["accuracy_clip"], 1),
                "by sequence": percent(row["accuracy"], 1),
                "95 % interval": _range(dict(zip(("low", "high"), row["interval"], strict=True))),
                "mean over folds": percent(row["mean_accuracy"], 1),
                "macro F1": f"{row['macro_f1']:.3f}",
            }
            for row in rows
        )
    )


def baselines_table(rows: Sequence[Mapping]) -> str:
    """Return what needs no motion, a baseline a row, as a Markdown table."""
    return pipe_table(
        pd.DataFrame(
            {"baseline": row["baseline"], "accuracy": percent(row["accuracy"], 1), "95 % interval": _range(row)}
            for row in rows
        )
    )


def folds_table(rows: Sequence[Mapping], choice: Mapping[str, Mapping[str, float]]) -> str:
    """Return each model's accuracy by clip, what was chosen and by which losses, a fold a row, as a Markdown table.

    Args:
        rows: of `experiments.subjects`, with their folds.
        choice: the losses of each fold's candidates, see `crossval.Fold`; the first is the recipe as it is.
    """
    found = []
    for number, (fold, losses) in enumerate(choice.items()):
        chosen = min(losses, key=losses.get)
        found.append(
            {"left out": fold}
            | {shown_name(row["model"]): percent(row["folds"][number]["accuracy_clip"]) for row in rows}
            | {"chosen": chosen.replace(",", ", ") or "recipe as it is", "log loss": f"{losses[chosen]:.2f}"}
            | {"of the recipe as it is": f"{next(iter(losses.values())):.2f}"}
        )
    return pipe_table(pd.DataFrame(found))


def _range(ends: Mapping) -> str:
    return "one group: none" if np.isnan(ends["low"]) else f"{100 * ends['low']:.1f} to {100 * ends['high']:.1f}"


def changes_table(found: dict[str, Run]) -> str:
    """Return what each model's recipe changes beside that of 2019, a setting a row, as a Markdown table."""
    rows: dict[str, dict[str, str]] = {}
    for model, run in found.items():
        for setting, before, after in recipes.changes(recipes.recipe("2019", model), run.recipe).itertuples(
            index=False
        ):
            rows.setdefault(setting, {})[shown_name(model)] = f"{before} → {after}"
    return pipe_table(pd.DataFrame.from_dict(rows, orient="index").fillna("as in 2019").reset_index(names="setting"))


def pipe_table(table: pd.DataFrame) -> str:
    """Return a data frame as a Markdown table without its index."""
    lines = [table.columns, [":---"] * len(table.columns), *table.astype(str).to_numpy()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def update_readme(found: dict[str, Run]) -> None:
    """Put the results table between the README's marks."""
    path, (begin, end) = paths.ROOT / "README.md", README_MARKS
    note = next(iter(found.values())).note.split(", seed")[0]
    block = f"{begin}\n{results_table(found)}\n\nMeasured on **{note}**.\n{end}"
    text = path.read_text()
    pattern = re.compile(re.escape(begin) + ".*" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise RunFailed(f"README.md: the marks {begin} and {end} are gone; put them back around the results table")
    with paths.whole_file(path) as whole:
        whole.write_text(pattern.sub(lambda _: block, text))


def _figure_numbers(figures: Path, work: Path) -> Callable[..., str]:
    """Return the template's `figure(name, caption, made_by)`, which counts, and copies what it shows."""
    shown: list[str] = []

    def figure(name: str, caption: str, made_by: str, width: str = "100%") -> str:
        if not (figures / name).exists():
            raise UserError(f"{paths.shown(figures / name)}: no such figure; make it with 'make report'")
        shutil.copyfile(figures / name, work / name)
        shown.append(name)
        inline = ".inline-svg " if name.endswith(".svg") else ""
        return f"<!-- {name}: {made_by} -->\n\n![**Figure {len(shown)}.** {caption}]({name}){{{inline}width={width}}}"

    return figure


def _html(text: str, work: Path) -> Path:
    import pypandoc

    path = work / "report.html"
    options = ["--standalone", "--embed-resources", f"--resource-path={work}", "--mathml", "--toc", "--number-sections"]
    options += [f"--css={paths.REPORT / 'report.css'}"]
    pypandoc.convert_text(text, "html5", "markdown-smart", outputfile=str(path), extra_args=options)
    return path


def _pdf(text: str, work: Path) -> Path:
    import pypandoc
    import typst

    source, path = work / "report.typ", work / "report.pdf"
    options = ["--standalone", f"--include-in-header={paths.REPORT / 'report.typ'}"]
    options += ["--variable=papersize:a4", "--variable=fontsize:10pt", "--variable=section-numbering:1.1"]
    pypandoc.convert_text(text, "typst", "markdown-smart", outputfile=str(source), extra_args=options)
    try:
        typst.compile(
            str(source),
            output=str(path),
            root=str(work),
            font_paths=[matplotlib.get_data_path() + "/fonts/ttf"],  # the figures' own
            ignore_system_fonts=True,
            timestamp=0,
        )
    except typst.TypstError as error:
        raise RunFailed(f"report/{TEMPLATE}: typst: {error}") from None
    return path
