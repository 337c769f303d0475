"""What the report's section "Cost" shows."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ucf11lib import bench, experiments, manifest, race
from ucf11lib.style import percent, shown_name

GROWS = {"sequences": "sequences", "width": "width of the network", "batch_size": "sequences a batch"}


def tables(file: Path) -> dict:
    """Return what the section reads.

    Args:
        file: the manifest that says where the notebooks' seconds went; it need not exist.
    """
    found = experiments.tables()
    raced, measured, avx2 = found["time_to_75"]["rows"], found["bench"], found["bench_avx2"]
    return {
        "spent": seconds_table(file),
        "race": race.table(raced),
        "verdict": verdict(race.ratios(raced)),
        "cap": race.CAP,
        "every": race.EVERY,
        "looked_at": race.HELD_OUT,
        "seeds": ", ".join(map(str, race.SEEDS)),
        "step": step_table(measured["rows"]),
        "operations": bench.operations_table(measured["operations"]),
        "avx2": shares_table(avx2),
        "layers": _named(bench.layers_table([row for row in avx2["layers"] if row["width"] == 1])),
        "inference": inference_table(measured["rows"]),
        "start": start_table(measured["start"]),
        "growth": growth_table(found["growth"]["rows"]),
        "sooner": race.sooner_table(found["sooner"]["rows"]),
    }


def step_table(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Return the training steps of `bench.measure`, a network and width a row, without what `start_table` says."""
    return _named(bench.table(rows).loc[:, :"peak (MB)"])


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with model and width in one column, which may break."""
    named = table["model"] + ", " + table["width"]
    return pd.concat([named.rename("model, width"), table.drop(columns=["model", "width"])], axis=1)


def shares_table(measured: Mapping) -> pd.DataFrame:
    """Return, of what `bench.measure` found, what the steps reach, what their convolutions do, and could alone."""
    key = ["model", "width"]
    whole = bench.table(measured["rows"])[[*key, "step, store (s)", "share of product"]]
    parts = bench.operations_table(measured["operations"])[[*key, "convolutions", "rate of the convolutions"]]
    return _named(whole.merge(parts).merge(bench.limits_table(measured["layers"])))


def inference_table(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Return the sequences a second that each network and width recognises, a batch size a column."""
    whole = bench.table(rows)
    return pd.concat([whole[["model", "width"]], whole.filter(like="inference")], axis=1)


def start_table(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Return the seconds from the start of a process to its first training step, a model a row."""
    parts = {"process": "process", "imports": "imports", "build": "store and network", "trace": "compilation"}
    return pd.DataFrame(
        {"model": shown_name(row["model"])}
        | {shown: f"{row[part]:.1f}" for part, shown in (parts | {"seconds": "all, seconds"}).items()}
        for row in rows
    )


def growth_table(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Return the exponents of `growth.measure`, with the cost of the least and of the most."""
    return pd.DataFrame(
        {
            "against": GROWS[row["against"]],
            "from, to": f"{min(row['values']):g}, {max(row['values']):g}",
            "seconds": f"{row['seconds'][0]:.2f}, {row['seconds'][-1]:.2f}",
            "exponent of time": f"{row['time_exponent']:.2f}",
            "peak memory (MB)": f"{row['peak_mb'][0]:.0f}, {row['peak_mb'][-1]:.0f}",
            "exponent of memory": f"{row['memory_exponent']:.3f}",
        }
        for row in rows
    )


def verdict(ratios: Mapping[str, float]) -> str:
    """Return the ratios of `race.ratios` in words."""
    said = [
        f"{title}: " + (f"no other within {race.CAP:g} times" if ratio == math.inf else f"{ratio:.1f} times")
        for title, ratio in ratios.items()
    ]
    return "; ".join(said)


def seconds_table(file: Path) -> pd.DataFrame | None:
    """Return `manifest.seconds` as a reader wants it, with a last row for all; None where nothing was recorded."""
    found = manifest.seconds(file)
    if found.empty:
        return None
    found.loc["all"] = found.sum()
    found["total"] = found.sum(axis=1)
    shares = found["training"] / found["total"]
    table = found.map("{:.0f}".format).assign(**{"share of training": shares.map(percent)})
    table.index = [name.replace("_", " ") for name in table.index]  # a narrow column can break it
    return table.reset_index(names="notebook, seconds")
