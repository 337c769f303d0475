import hashlib
import os
import subprocess
import sys

import matplotlib.image
import matplotlib.pyplot
import numpy as np
import pytest

from ucf11lib import figures
from ucf11lib.figures import style

OTHERS = {"save", "saver", "play", "overlay", "source", "picker"}
OTHERS |= {"confidence_slider", "epoch_slider", "gap_slider"}
NAMES = sorted(
    name for name, value in vars(figures).items() if callable(value) and name not in OTHERS
)
PROGRAM = """
import hashlib, pathlib, sys, conftest
from ucf11lib.figures import save
for name in sys.argv[2:]:
    file = save(conftest.draw(name), pathlib.Path(sys.argv[1]) / f"{name}.svg")
    print(name, hashlib.sha256(file.read_bytes()).hexdigest())
"""


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_its_note_fits_its_page_and_leaves_no_trace(name, inputs, tmp_path):
    before = dict(matplotlib.rcParams)
    figure = inputs.draw(name)
    assert figure.get_supxlabel() == inputs.NOTE
    assert matplotlib.pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)  # no text leaves the page
    assert min(box.x0, box.y0) >= -1
    assert box.x1 <= figure.bbox.x1 + 1
    assert box.y1 <= figure.bbox.y1 + 1
    files = [style.save(inputs.draw(name), tmp_path / f"{i}.png") for i in (1, 2)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_save_in_another_process_writes_the_same_bytes(inputs, tmp_path):
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    environment |= {"PYTHONPATH": os.path.dirname(inputs.__file__)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "other"), *NAMES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    digests = {}
    for name in NAMES:
        content = style.save(inputs.draw(name), tmp_path / f"{name}.svg").read_bytes()
        assert b"<dc:date>" not in content
        digests[name] = hashlib.sha256(content).hexdigest()
    assert dict(line.split() for line in done.stdout.splitlines()) == digests


def test_save_leaves_one_complete_file_or_none(inputs, tmp_path):
    figure = inputs.draw("history")
    assert style.save(figure, tmp_path / "new" / "a.png") == tmp_path / "new" / "a.png"
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        style.save(figure, tmp_path / "a.pdf")
    assert style.saver("")(figure, "b.svg") is figure
    assert style.saver(tmp_path)(figure, "c.svg") is figure
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "c.svg", "new"]


def test_save_keeps_the_colours_of_frames_and_maps(inputs, tmp_path):
    shades = np.random.default_rng(0).integers(0, 256, (11, 1, 1, 1, 3), np.uint8)
    frames = np.broadcast_to(shades, (11, 30, 64, 64, 3))
    path = style.save(
        inputs.draw("film_strips", frames=frames, titles="abcdefghijk"), tmp_path / "a.png"
    )
    pixels = np.rint(255 * matplotlib.image.imread(path)[..., :3]).astype(int)
    for shade in shades.reshape(-1, 3):
        assert np.all(pixels == shade, axis=2).sum() > 5000
    heat = inputs.HEAT.repeat(4, 2).repeat(4, 3)
    path = style.save(inputs.draw("saliency", maps=heat), tmp_path / "b.png")
    pixels = matplotlib.image.imread(path)[..., :3]
    brightest = matplotlib.colormaps["plasma"](1.0)[:3]
    assert np.any(np.all(np.abs(pixels - brightest) < 0.05, axis=2))


def test_colours_of_a_models_first_run_are_its_own_and_no_others():
    names = ["cnn_lstm 2019", "cnn_lstm repaired", *(f"network {i}" for i in range(20))]
    own, *spare = style.colours(names).values()
    assert own == style.MODELS["cnn_lstm"]
    assert not set(spare) & set(style.MODELS.values())
    assert len(set(spare[:4])) == 4


def test_log_labels_have_no_small_exponents():
    _, axes = matplotlib.pyplot.subplots()
    axes.set_yscale("log")
    style.log_labels(axes.yaxis)
    axes.set_yticks([1e-8, 0.1, 1, 1000, 1e12])
    labels = [text.get_text() for text in axes.get_yticklabels()]
    matplotlib.pyplot.close()
    assert labels == ["1e\N{MINUS SIGN}8", "0.1", "1", "1000", "1e12"]
