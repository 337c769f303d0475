"""How fast the training is, held against the machine's own matrix product in the same minutes.

Each network is measured in a process of its own: its memory is its own, and so is what it costs to start.
"""

import itertools
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ucf11lib import bench_data, paths, recipes
from ucf11lib.bench_step import Effort, first_step, layers, operations, product_rate, training_step
from ucf11lib.config import RunConfig
from ucf11lib.data import sources
from ucf11lib.style import percent, shown_name
from ucf11lib.timing import alone, turn_about

PROFILES = ("full", "quick")
BATCH = "batch_size=16"  # the 2019 report's; what a step takes is compared with what others report


def run(models: Sequence[str], profiles: Sequence[str], out: Path | str | None = None) -> tuple[dict, Path]:
    """Measure, and leave `bench.json` and `bench.svg` in a folder, under `runs/` by default.

    Returns:
        What `measure` found, with commit, machine and date; and the folder.

    Raises:
        UserError: an unknown model or profile.
    """
    for model, name in itertools.product(models, profiles):
        recipes.profile(name, model)
    from ucf11lib import experiments, figures_bench, runs, style

    folder = Path(out) if out else paths.runs_dir() / f"bench-{time.strftime('%Y%m%d-%H%M%S')}"
    command = f"python -m ucf11lib bench --models {' '.join(models)} --profile {' '.join(profiles)}"
    found = experiments.signed(command, measure(models, profiles))
    runs.write_json(folder / "bench.json", found)
    style.save(figures_bench.shares(found["rows"], note=note(found)), folder / "bench.svg")
    return found, folder


def note(found: dict) -> str:
    """Return what a figure of a measurement says it comes from."""
    first, last = found["product"]
    machine = f"{found['processor']}, {found['machine']}"
    return f"{found['source']} data; {machine}; matrix product {first:.0f} and {last:.0f} GFLOP/s"


def measure(models: Sequence[str], profiles: Sequence[str], effort: Effort | None = None) -> dict:
    """Measure training step, inference, input pipeline and start.

    Args:
        models: of `recipes.MODELS`.
        profiles: whose widths to measure; the store is the quick profile's, or smoke's if that is all.
        effort: how long.

    Returns:
        source, processor, `effort`; `product` (GFLOP/s of the matrix product, first and last), `pipeline`
        (as `bench_data.epoch`), `help_seconds`, `start` (a row a model, see `first_step`); a row a model and
        width, `rows` (see `training_step`) and `operations` (see there); a row a convolution, `layers` (see there).
    """
    effort = effort or Effort()
    small = "smoke" if set(profiles) == {"smoke"} else "quick"
    configs = [RunConfig(model, profile=name, settings=BATCH) for name in profiles for model in models]
    starts = [RunConfig(model, profile=small) for model in models]
    path = sources.ensure("synthetic", profile=recipes.profile(small, models[0])).path
    product, rows, start, parts, convolutions = [alone(product_rate, effort.side).value], [], [], [], []
    with tqdm(total=3 * len(configs) + len(starts) + 1, desc="bench", leave=False, disable=None) as bar:
        for config in configs:
            bar.set_postfix_str(f"{shown_name(config.model)} {config.profile}")
            rows.append(alone(training_step, config, path, effort).value)
            bar.update()
            parts.append(alone(operations, config, path, effort).value)
            bar.update()
            convolutions += alone(layers, config, path, effort).value
            bar.update()
        for config in starts:
            bar.set_postfix_str(f"start of {shown_name(config.model)}")
            start.append(alone(first_step, config, path, time.time()).value)
            bar.update()
        pipeline = bench_data.epoch(path)
        bar.update()
    product.append(alone(product_rate, effort.side).value)
    return {
        "source": "synthetic",
        "processor": processor(),
        "effort": asdict(effort),
        "product": product,
        "pipeline": pipeline,
        "help_seconds": _help_seconds(),
        "start": start,
        "rows": rows,
        "operations": parts,
        "layers": convolutions,
    }


def _help_seconds() -> float:
    """Return how long `python -m ucf11lib --help` takes, the median of five."""
    command = [sys.executable, "-m", "ucf11lib", "--help"]
    call = {"help": lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=paths.ROOT)}
    return float(np.median(turn_about(call, 5)["help"]))


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, [*names, platform.processor()]), platform.machine())


def table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return the rows of `measure` as a reader wants them: a line a network and width."""
    return pd.DataFrame(
        {
            "model": shown_name(row["model"]),
            "width": f"{row['width']:g}",
            "GFLOP a step": f"{row['flops'] / 1e9:.1f}",
            "step, memory (s)": f"{row['memory_seconds']:.3f}",
            "step, store (s)": f"{row['store_seconds']:.3f}",
            "store / memory": f"{row['ratio']:.3f}",
            "share of product": percent(row["share"], 1),
            "sequences/s": f"{row['sequences_per_second']:.1f}",
            "peak (MB)": f"{row['peak_mb']:.0f}",
            "compile (s)": f"{row['compile_seconds']:.1f}",
            **{f"inference, batch {n} (1/s)": f"{value:.1f}" for n, value in row["inference"].items()},
        }
        for row in rows
    )


def operations_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return where the seconds of a step go, in percent, a line a network and width."""
    return pd.DataFrame(
        {"model": shown_name(row["model"]), "width": f"{row['width']:g}"}
        | {kind: percent(seconds / row["seconds"], 1) for kind, seconds in row["kinds"].items()}
        | {"rate of the convolutions": percent(row["convolution_share"])}
        for row in rows
    )


def layers_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return what each convolution alone reaches of the matrix product's rate, a line a network, width and layer."""
    shown = {"forward": "forward", "input": "gradient of its input", "kernel": "gradient of its kernel"}
    whole = pd.DataFrame(rows).groupby(["model", "width"])["flops"].sum()
    return pd.DataFrame(
        {"model": shown_name(row["model"]), "width": f"{row['width']:g}", "layer": row["layer"]}
        | {"of the arithmetic": percent(row["flops"] / whole[row["model"], row["width"]])}
        | {title: percent(row[part]) if part in row else "" for part, title in shown.items()}
        for row in rows
    )


def limits_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return what a step would reach that is nothing but these `layers`, each at its own rate, a line a network."""
    lines = []
    for (model, width), group in pd.DataFrame(rows).groupby(["model", "width"], sort=False):
        seconds = group[["forward", "input", "kernel"]].rdiv(group["flops"], axis="index").sum().sum()
        lines.append({"model": shown_name(model), "width": f"{width:g}",
                      "its convolutions alone": percent(3 * group["flops"].sum() / seconds, 1)})  # fmt: skip
    return pd.DataFrame(lines)


def text(found: dict) -> str:
    """Return a measurement as lines to read."""
    first, last = found["product"]
    lines = [f"{found['processor']}, {found['machine']}",
             f"matrix product: {first:.0f} GFLOP/s first, {last:.0f} last",
             f"input pipeline alone: {found['pipeline']['cold_batches_a_second']:.0f} batches a second from the disk, "
             f"{found['pipeline']['batches_a_second']:.0f} once the system has them, "
             f"{found['pipeline']['above_mb']:.0f} MB",
             f"--help: {found['help_seconds']:.2f} s"]  # fmt: skip
    for row in found["start"]:
        parts = ", ".join(f"{name} {row[name]:.1f}" for name in ("process", "imports", "build", "trace"))
        lines.append(f"first step of {shown_name(row['model'])} after {row['seconds']:.1f} s: {parts}")
    tables = (table(found["rows"]), operations_table(found["operations"]), layers_table(found["layers"]),
              limits_table(found["layers"]))  # fmt: skip
    return "\n".join([*lines, *(one.to_string(index=False) for one in tables)])
