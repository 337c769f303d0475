import hashlib
import os
import subprocess
import sys

import matplotlib.colors
import matplotlib.image
import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from ucf11lib import evaluation, explain, figures, figures_autopsy, figures_explain, figures_sweep, style

NOTE = "synthetic data, group split, seed 0"
CLASSES = ("basketball", "biking", "golf swing")


def run(epochs=3, scale=1.0):
    epoch = np.arange(1, epochs + 1)
    loss = scale * 2.4 / epoch
    accuracy = 1 - 1 / (epoch + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": loss * 1.1,
            "val_accuracy": accuracy * 0.9,
            "seconds": 10.0 * epoch,
        }
    )


def frames(k=3):
    return np.random.default_rng(0).integers(0, 256, (k, 30, 16, 16, 3), dtype=np.uint8)


def models():
    columns = {
        "accuracy": [0.9, 0.5],
        "seconds": [100.0, 1500.0],
        "seconds_to_75": [40.0, np.nan],
        "parameters": [412_000, 78_000_000],
    }
    return pd.DataFrame(columns, index=["c3d", "vgg9"])


def calibration(sureness):
    y_prob = np.array([[s, 1 - s] for s in sureness])
    return evaluation.reliability(np.zeros(len(y_prob), int), y_prob)


def under(accuracy, answers):
    columns = {"accuracy": accuracy, "low": np.maximum(accuracy - 0.1, 0), "high": accuracy + 0.1, "answers": answers}
    return pd.DataFrame(columns, index=explain.CHANGES)


TABLES = {
    "c3d": under(np.linspace(0.9, 0.1, len(explain.CHANGES)), [3, 3, 3, 1, 1, 3, 1, 3]),
    "cnn_lstm": under(np.linspace(0.8, 0.2, len(explain.CHANGES)), 3),
}


def maps(k=3):
    """Heat in one corner of the last frame, and an energy that rises."""
    heat = np.zeros((k, 30, 16, 16), np.float32)
    heat[:, -1, :8, :8] = 1
    rising = np.arange(1, 31) / np.arange(1, 31).sum()
    return heat, np.tile(rising, (k, 1))


TRACE = {"step": [1, 2, 3], "loss": [2.4, 2.043, 2.543], "gradient_norm": [0.3, 0.0, 0.0]}
LATTICE = [{"data": "d", "classes": 11, "batch_size": 2, "width": 1.0, "trace": TRACE}] * 2
CELLS = [{"head": h, "init": i, "trace": TRACE} for h in ("softmax", "logits") for i in ("normal", "he")]
GAPS = pd.DataFrame({"gap": [0.0, 50.0, 100.0], "once": [0.9, 1.0, 1.0], "twice": [0.1, 1e-20, 0.0]})
LAYERS = {"layer": ["conv1", "logits"], "deviation": [1.0, 1e5]}
SIGNAL = [{"model": m, "recipe": str(r)} | LAYERS for m in ("c3d", "vgg9") for r in range(3)]
GRID = [{"optimizer": o, "learning_rate": r, "accuracy": 0.125} for o in ("adam", "sgd") for r in (0.1, 0.01)]
LADDER = [
    {"model": "vgg9", "change": c, "accuracy": [0.1, 0.2], "history": [{"val_loss": [3.0, 2.0]}]}
    for c in ("2019", "He initialisation")
]
AXES = {"learning_rate": ["0.01", "0.1"], "model": ["c3d", "cnn_lstm", "vgg9"]}
SWEEP = pd.DataFrame(
    [{"learning_rate": r, "model": m, "accuracy": 0.5} for r in AXES["learning_rate"] for m in AXES["model"]]
)
LEAK = [
    {"data": data, "model": "cnn_lstm", "split": split, "accuracy": [0.8, 0.9], "nearest": [0.1, 0.3]}
    for data in ("synthetic", "Weizmann")
    for split in ("random", "group")
]
FIGURES = {
    "heat_map": lambda: figures_sweep.heat_map(SWEEP, AXES, note=NOTE),
    "line": lambda: figures_sweep.line(SWEEP[:3], {"model": AXES["model"]}, note=NOTE),
    "lattice": lambda: figures_autopsy.lattice(LATTICE, note=NOTE),
    "gradients": lambda: figures_autopsy.gradients(GAPS, CELLS, note=NOTE),
    "signal": lambda: figures_autopsy.signal(SIGNAL, note=NOTE),
    "grid": lambda: figures_autopsy.grid({"2019": GRID, "repaired": GRID}, note=NOTE),
    "slow_start": lambda: figures_autopsy.slow_start(
        dict.fromkeys(("2019", "He", "repaired"), TRACE), LADDER, note=NOTE
    ),
    "ablation": lambda: figures_autopsy.ablation(LADDER, note=NOTE),
    "history": lambda: figures.history({"c3d": run(), "cnn_lstm": run(5)}, note=NOTE),
    "confusion": lambda: figures.confusion(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 2]]), CLASSES, note=NOTE),
    "per_class": lambda: figures.per_class({"c3d": [1, 0.5, np.nan], "vgg9": [0, 0.2, 0.3]}, CLASSES, note=NOTE),
    "reliability": lambda: figures.reliability(
        {"c3d": calibration([0.9, 0.91, 0.3]), "vgg9": calibration([0.6, 1.0])}, note=NOTE
    ),
    "film_strips": lambda: figures.film_strips(frames(), CLASSES, note=NOTE),
    "examples": lambda: figures.examples(frames(), CLASSES, [True, False, True], note=NOTE),
    "comparison": lambda: figures.comparison(models(), note=NOTE),
    "conditions": lambda: figures_explain.conditions(TABLES, chance=1 / 3, note=NOTE),
    "leak": lambda: figures_explain.leak(LEAK, note=NOTE),
    "saliency": lambda: figures_explain.saliency(frames(), *maps(), CLASSES, columns=4, note=NOTE),
}


def words(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_carries_its_note_and_leaves_pyplot_alone(name):
    matplotlib.pyplot.close("all")
    before = dict(matplotlib.rcParams)
    figure = FIGURES[name]()
    assert figure.get_supxlabel() == NOTE
    assert matplotlib.pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_page(name):
    figure = FIGURES[name]()
    page = figure.bbox
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert box.x0 >= -1
    assert box.y0 >= -1
    assert box.x1 <= page.x1 + 1
    assert box.y1 <= page.y1 + 1


@pytest.mark.parametrize("suffix", [".svg", ".png"])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_made_twice_has_the_same_bytes(name, suffix, tmp_path):
    first = style.save(FIGURES[name](), tmp_path / f"a{suffix}").read_bytes()
    assert style.save(FIGURES[name](), tmp_path / f"b{suffix}").read_bytes() == first
    assert b"<dc:date>" not in first


def test_a_sweeps_cells_stand_where_their_values_say():
    table = SWEEP.assign(accuracy=[0.1, np.nan, 0.3, 0.4, 0.5, 0.6]).sample(frac=1, random_state=0)
    axes = figures_sweep.heat_map(table, AXES, note=NOTE).axes[0]
    assert words(axes) == ["10.0 %", "30.0 %", "40.0 %", "50.0 %", "60.0 %"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["C3D", "CNN+LSTM", "VGG9"]
    assert [text.get_text() for text in axes.get_yticklabels()] == AXES["learning_rate"]


def digest(folder):
    found = hashlib.sha256()
    for name, make in FIGURES.items():
        for suffix in (".svg", ".png"):
            found.update(style.save(make(), folder / (name + suffix)).read_bytes())
    return found.hexdigest()


def test_another_process_writes_the_same_bytes(tmp_path):
    code = "import pathlib, sys, test_figures; print(test_figures.digest(pathlib.Path(sys.argv[1])))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.path.dirname(__file__), "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", code, str(tmp_path / "other")]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert other == digest(tmp_path / "here")


def test_what_a_figure_says_is_not_shortened_with_its_coordinates(tmp_path):
    with style.page(3, 2, NOTE) as figure:
        figure.subplots().set_title("width 0.125")
    assert ">width 0.125<" in style.save(figure, tmp_path / "a.svg").read_text()


def test_saved_whole_or_not_at_all(tmp_path):
    figure = FIGURES["comparison"]()
    assert style.save(figure, tmp_path / "new" / "a.png") == tmp_path / "new" / "a.png"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        style.save(figure, tmp_path / "a.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_history_draws_training_dashed_and_validation_solid():
    runs = {"c3d": run(3), "vgg9": run(5)}
    loss, accuracy = figures.history(runs, note=NOTE).axes
    for axes, column in ((loss, "loss"), (accuracy, "accuracy")):
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
        assert [line.get_linestyle() for line in lines] == ["--", "-", "--", "-"]
        np.testing.assert_array_equal(lines[2].get_ydata(), runs["vgg9"][column])
        np.testing.assert_array_equal(lines[3].get_ydata(), runs["vgg9"][f"val_{column}"])
        assert lines[3].get_color() == style.MODELS["vgg9"][1]


def test_history_names_runs_and_kinds_of_line():
    figure = FIGURES["history"]()
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["C3D", "CNN+LSTM", "training", "validation"]


def test_history_marks_target_and_chance():
    loss, accuracy = figures.history({"c3d": run()}, chance_loss=np.log(11), note=NOTE).axes
    assert words(accuracy) == ["75 %"]
    assert words(loss) == ["chance\n2.40"]
    assert list(accuracy.get_lines()[-1].get_ydata()) == [0.75, 0.75]
    assert [words(axes) for axes in figures.history({"c3d": run()}, target=None, note=NOTE).axes] == [[], []]


def test_history_of_a_sick_run_goes_by_decades():
    healthy, _ = FIGURES["history"]().axes
    assert (healthy.get_yscale(), healthy.get_ylim()[0]) == ("linear", 0)
    sick, _ = figures.history({"c3d": run(), "vgg9": run(scale=1e5)}, note=NOTE).axes
    assert sick.get_yscale() == "log"


def test_history_stands_a_loss_that_is_not_a_number():
    lost = run(1)
    lost[["loss", "val_loss"]] = np.nan
    loss, accuracy = figures.history({"vgg9": lost}, note=NOTE).axes
    assert loss.get_yscale() == "linear"
    assert [tick for tick in accuracy.get_xticks() if 0.5 <= tick <= 1.5] == [1]


def test_confusion_counts_and_shares():
    axes, bar = FIGURES["confusion"]().axes
    assert words(axes) == ["3\n75 %", "1\n25 %", "", "", "", "2\n100 %"]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["basketball (4)", "biking (0)", "golf swing (2)"]
    assert axes.yaxis_inverted()
    assert bar.get_ylabel() == "share of the true class"


def test_confusion_leaves_a_row_without_sequences_empty():
    axes = FIGURES["confusion"]().axes[0]
    shown = axes.collections[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(shown).reshape(3, 3).all(axis=1), [False, True, False])
    np.testing.assert_allclose(shown.reshape(3, 3)[0], [0.75, 0.25, 0])


def test_per_class_has_a_bar_a_model_in_every_row():
    axes = FIGURES["per_class"]().axes[0]
    c3d, vgg9 = axes.containers
    np.testing.assert_allclose([bar.get_width() for bar in c3d], [1, 0.5, 0])
    np.testing.assert_allclose([bar.get_width() for bar in vgg9], [0, 0.2, 0.3])
    assert words(axes) == ["100 %", "50 %", "not in validation", "0 %", "20 %", "30 %"]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES)
    middle = [(a.get_y() + b.get_y() + b.get_height()) / 2 for a, b in zip(c3d, vgg9, strict=True)]
    np.testing.assert_allclose(middle, [0, 1, 2], atol=1e-9)


def test_reliability_draws_filled_bins_only_and_names_the_error():
    figure = FIGURES["reliability"]()
    above, below = figure.axes
    diagonal, c3d, vgg9 = above.get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    np.testing.assert_allclose(c3d.get_xydata(), [[0.7, 0], [0.905, 1]])
    np.testing.assert_allclose(vgg9.get_xydata(), [[0.6, 1], [1, 1]])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["C3D, ECE 29.7 %", "VGG9, ECE 20.0 %"]
    assert [patch.get_data().values.sum() for patch in below.patches] == pytest.approx([1, 1])


def test_film_strips_show_the_frames_that_their_numbers_say():
    clips = frames()
    rows = figures.film_strips(clips, CLASSES, columns=4, note=NOTE).axes
    assert [axes.get_ylabel() for axes in rows] == list(CLASSES)
    numbers = [int(label.get_text()) for label in rows[0].get_xticklabels()]
    assert numbers == [1, 11, 20, 30]
    strip = rows[2].images[0].get_array()
    assert strip.shape == (16, 4 * 16 + 3 * figures.GAP, 3)
    for i, number in enumerate(numbers):
        left = i * (16 + figures.GAP)
        np.testing.assert_array_equal(strip[:, left : left + 16], clips[2, number - 1])


def test_examples_say_right_and_wrong_in_words_and_colours():
    rows = figures.examples(frames(), ["a -> a", "a -> b", "b -> b"], [True, False, True], note=NOTE).axes
    assert [axes.get_title(loc="left") for axes in rows] == ["right: a -> a", "wrong: a -> b", "right: b -> b"]
    titles = [axes.findobj(lambda artist: isinstance(artist, Text) and "->" in artist.get_text()) for axes in rows]
    colours = [title.get_color() for (title,) in titles]
    assert colours[0] == colours[2] != colours[1]


def test_comparison_writes_every_value():
    figure = FIGURES["comparison"]()
    accuracy, seconds, parameters = figure.axes
    assert words(accuracy) == ["90.0 %", "50.0 %"]
    assert words(seconds) == ["100\n75 % at 40", "1,500\nnever 75 %"]
    assert words(parameters) == ["412 k", "78.0 M"]
    assert parameters.get_xscale() == "log"
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["C3D", "VGG9"]
    np.testing.assert_array_equal(seconds.get_lines()[0].get_xdata(), [40, np.nan])


def test_conditions_have_a_dot_a_model_and_a_hollow_one_where_it_did_not_look():
    figure = FIGURES["conditions"]()
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(explain.CHANGES)
    intervals, dots = axes.collections[::2], axes.collections[1::2]
    for table, bars, points, colour in zip(TABLES.values(), intervals, dots, style.colours(TABLES), strict=True):
        np.testing.assert_allclose(points.get_offsets()[:, 0], table["accuracy"])
        np.testing.assert_allclose([bar[:, 0] for bar in bars.get_segments()], table[["low", "high"]])
        inside = [matplotlib.colors.to_hex(face).upper() for face in points.get_facecolors()]
        assert inside == ["#FFFFFF" if answers == 1 else colour for answers in table["answers"]]
    assert words(axes) == ["chance 33 %"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["C3D", "CNN+LSTM", "the same answer for all"]
    plain = figures_explain.conditions({"cnn_lstm": TABLES["cnn_lstm"]}, note=NOTE)
    assert [text.get_text() for text in plain.legends[0].get_texts()] == ["CNN+LSTM"]


def test_saliency_lies_over_its_frame_and_its_bars_under_theirs():
    clips, (heat, energies) = frames(), maps()
    axes = FIGURES["saliency"]().axes[1]
    grey, hot = (image.get_array() for image in axes.images)
    pitch = 16 + figures.GAP
    np.testing.assert_array_equal(grey[:, 3 * pitch :], np.rint(clips[1, 29] @ explain.LUMA))
    np.testing.assert_array_equal(hot[:, 3 * pitch :], heat[1, 29])
    assert not hot[:, : 3 * pitch].any()
    np.testing.assert_allclose(axes.images[1].get_alpha(), figures_explain.OPAQUE * hot, rtol=1e-6)
    bars = axes.containers[0]
    heights = np.array([-bar.get_height() for bar in bars])
    np.testing.assert_allclose(heights / heights.sum(), energies[1])
    dark = [i for i, bar in enumerate(bars) if matplotlib.colors.to_hex(bar.get_facecolor()).upper() == style.BLUE]
    assert dark == figures.picks(30, 4).tolist()
    centres = [bars[i].get_x() + bars[i].get_width() / 2 for i in (0, 29)]
    np.testing.assert_allclose(centres, [7.5, 3 * pitch + 7.5])


def test_saliency_says_what_its_line_is():
    heat, energies = maps()
    assert "all frames alike" in FIGURES["saliency"]().get_suptitle()
    figure = figures_explain.saliency(frames(), heat, energies, CLASSES, reference=energies[0], note=NOTE)
    assert "weights shuffled" in figure.get_suptitle()
    line, bars = figure.axes[0].patches[-1].get_data().values, figure.axes[0].containers[0]
    np.testing.assert_allclose(line, [bar.get_y() + bar.get_height() for bar in bars])


def test_a_map_keeps_its_colours_in_a_file(tmp_path):
    path = style.save(FIGURES["saliency"](), tmp_path / "a.png")
    pixels = np.asarray(matplotlib.image.imread(path))[..., :3]
    assert np.any(np.all(np.abs(pixels - matplotlib.colormaps["plasma"](1.0)[:3]) < 0.05, axis=2))


def test_a_model_keeps_its_colour_and_further_runs_of_it_get_others():
    colours = style.colours(["cnn_lstm 2019", "cnn_lstm repaired", "vgg9", "no model"])
    assert colours[0] == style.MODELS["cnn_lstm"][1]
    assert colours[2] == style.MODELS["vgg9"][1]
    assert len(set(colours)) == 4
    assert style.shown_name("cnn_lstm 2019") == "CNN+LSTM 2019"
    assert style.shown_name("fold 3") == "fold 3"


def test_frames_make_small_files(tmp_path):
    noise = np.random.default_rng(0).normal(128, 5, (11, 30, 64, 64, 3)).clip(0, 255).astype(np.uint8)
    figure = figures.film_strips(noise, [f"class {i}" for i in range(11)], note=NOTE)
    assert style.save(figure, tmp_path / "film.png").stat().st_size < 400_000


def test_the_leak_has_a_panel_a_data_set_and_a_dot_a_seed():
    figure = FIGURES["leak"]()
    assert [axes.get_title() for axes in figure.axes] == ["synthetic", "Weizmann"]
    dots = [line.get_ydata() for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert [list(values) for values in dots] == [[0.8, 0.9], [0.8, 0.9], [0.1, 0.3], [0.1, 0.3]]
    assert len(figure.legends[0].texts) == 2
