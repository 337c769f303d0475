"""Controls that redraw a figure: dropdowns and sliders in a notebook, its first state in batch."""

import base64
import io
from collections.abc import Callable, Sequence
from typing import TypeAlias

import ipywidgets
from IPython import get_ipython
from IPython.display import HTML
from matplotlib.figure import Figure

from ucf11lib.figures.motion import Motion

Drawn = Figure | Motion | HTML
Widget: TypeAlias = HTML | ipywidgets.VBox  # HTML in batch


def explore(draw: Callable[..., Drawn], **choices: Sequence) -> Widget:
    """Show what `draw` returns, with a control for each of its arguments, which redraws it.

    Texts to choose from become a dropdown, which begins with the first; numbers a slider, which
    begins in the middle. Papermill, nbval and nbconvert get that first picture as plain HTML.
    """
    sliders = {name for name, values in choices.items() if not isinstance(values[0], str)}
    chosen = {name: v[len(v) // 2 if name in sliders else 0] for name, v in choices.items()}
    if not _is_interactive():
        return HTML(_markup(draw(**chosen)))
    controls = {}
    for name, values in choices.items():
        options = {"options": values, "value": chosen[name]}
        options |= {"description": name.replace("_", " ").strip()}
        if name in sliders:
            controls[name] = ipywidgets.SelectionSlider(**options, continuous_update=False)
        else:
            controls[name] = ipywidgets.Dropdown(**options)
    picture = ipywidgets.HTML(_markup(draw(**chosen)))

    def redraw(change: object) -> None:
        values = {name: control.value for name, control in controls.items()}
        picture.value = _markup(draw(**values))

    for control in controls.values():
        control.observe(redraw, "value")
    return ipywidgets.VBox([*controls.values(), picture])


def _is_interactive() -> bool:
    """Return whether a person runs this cell: such a frontend's request allows standard input."""
    request: dict = getattr(get_ipython(), "get_parent", dict)()
    return bool(request.get("content", {}).get("allow_stdin"))


def _markup(drawn: Drawn) -> str:
    if not isinstance(drawn, Figure):
        return drawn._repr_html_()
    file = io.BytesIO()
    drawn.savefig(file, format="png")
    picture = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="figure" style="max-width: 100%" src="data:image/png;base64,{picture}">'
