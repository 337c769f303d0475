import re

import ipywidgets
import pytest
from jupyter_client.manager import start_new_kernel

from ucf11lib.figures import widgets

CODE = """
import numpy as np
from ucf11lib.figures import play
from ucf11lib.figures.widgets import explore
frames = np.zeros((2, 4, 16, 16, 3), np.uint8)
draw = lambda name, level: play(frames[:1] + np.uint8(level), [name], note="")
explore(draw, name=("first", "second"), level=range(5))
"""


def drawn(name, level):
    return widgets.HTML(f"{name} at {level}")


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_explore_is_plain_in_batch_and_has_controls_where_a_person_can_be_asked(kernel):
    outputs = {}
    for asks in (False, True):
        messages = []
        options = {"allow_stdin": asks, "timeout": 60, "output_hook": messages.append}
        reply = kernel.execute_interactive(CODE, **options)
        assert reply["content"]["status"] == "ok"
        kinds = {message["msg_type"] for message in messages}
        assert ("comm_open" in kinds) == asks
        (result,) = [m["content"] for m in messages if m["msg_type"] == "execute_result"]
        outputs[asks] = result["data"]
    assert "application/vnd.jupyter.widget-view+json" in outputs[True]
    assert outputs[False].keys() == {"text/html", "text/plain"}
    assert 'aria-label="first; "' in outputs[False]["text/html"]


def test_explore_redraws_what_its_controls_choose(monkeypatch):
    monkeypatch.setattr(widgets, "_is_interactive", lambda: True)
    panel = widgets.explore(drawn, name=("walking", "diving"), level=range(5))
    name, level, picture = panel.children
    assert isinstance(name, ipywidgets.Dropdown)
    assert isinstance(level, ipywidgets.SelectionSlider)
    assert picture.value == "walking at 2"
    name.value = "diving"
    level.value = 4
    assert picture.value == "diving at 4"


def test_explore_draws_a_figure_as_a_picture(inputs):
    html = widgets.explore(lambda level: inputs.draw("history"), level=range(3)).data
    assert re.match(r'<img [^>]*src="data:image/png;base64,iVBOR', html)
