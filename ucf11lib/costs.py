"""What the report's section "Cost" shows."""

from pathlib import Path

import pandas as pd

from ucf11lib import manifest
from ucf11lib.style import percent


def seconds_table(file: Path) -> pd.DataFrame | None:
    """Return `manifest.seconds` as a reader wants it, with a last row for all; None where nothing was recorded."""
    found = manifest.seconds(file)
    if found.empty:
        return None
    found.loc["all"] = found.sum()
    found["total"] = found.sum(axis=1)
    shares = found["training"] / found["total"]
    table = found.map("{:.0f}".format).assign(**{"share of training": shares.map(percent)})
    return table.reset_index(names="notebook, seconds")
