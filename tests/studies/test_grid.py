import pandas as pd
import pytest

from ucf11lib.errors import UserError
from ucf11lib.runs import RunConfig
from ucf11lib.studies.grid import load_yaml

HUGE = {name: list(range(1000)) for name in ("seed", "shift", "batch_size")}


def load(folder, text):
    file = folder / "g.yaml"
    file.write_text(text)
    return load_yaml(file)


def test_load_yaml_reads_values_as_the_command_line_does(tmp_path):
    base = "base: {model: c3d, recipe: 2019, health: false, split: logo}\n"
    grid = "grid: {fold: [07, 08], learning_rate: [1e-3, 0.01], target_accuracy: [none]}\n"
    study = load(tmp_path, base + grid)
    points = study.points()
    wanted = {"model": "c3d", "recipe": "2019", "health": False, "split": "logo", "fold": "07"}
    assert list(points)[1] == RunConfig.of(**wanted, learning_rate=0.01, target_accuracy=None)
    labels = {"fold": "07", "learning_rate": "0.01", "target_accuracy": "none"}
    assert (len(points), list(points.values())[1]) == (4, labels)
    assert study.name.startswith("g-")


def test_load_yaml_name_is_of_the_configurations(tmp_path, monkeypatch):
    """The folders of two projects may have one name."""
    text = "base: {model: c3d, source: videos, data: vids}\ngrid: {seed: [0]}\n"
    names = set()
    for project in ("a", "b"):
        (tmp_path / project).mkdir()
        monkeypatch.chdir(tmp_path / project)
        names |= {load(tmp_path, text).name, load(tmp_path, f"# the same\n{text}").name}
    assert len(names) == 2


def test_load_yaml_base_holds_for_every_model(tmp_path):
    study = load(tmp_path, "base: {width: 0.125}\ngrid: {seed: [1], model: [c3d, cnn_lstm]}\n")
    assert [(one.profile.width, one.seed) for one in study.points()] == [(0.125, 1)] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grid: [", "line 1"),
        ("- c3d", "object"),
        ("grid: {seed: [0]}\nbase: {model: c3d}\nworkers: 3", "workers"),
        ("grid: {seed: [0]}", "no model"),
        ("base: {model: c3d}\ngrid: {colour: [red]}", "unknown parameter colour"),
        ("base: {model: c3d}\ngrid: {seed: []}", "no values under grid"),
        ("base: {model: c3d}\ngrid: {}", "no values under grid"),
        ("base: {model: [c3d]}\ngrid: {seed: [0]}", "base"),
        ("base: {model: c3d, seed: 0}\ngrid: {seed: [0]}", "seed is in base and in grid"),
        ("base: {model: c3d}\ngrid: {seed: [x]}", "seed='x'"),
        ("base: {model: c3d}\ngrid: {seed: [0], seed: [1]}", "key 'seed' is repeated"),
        ("grid: {model: [c3d, resnet]}", "unknown model 'resnet'"),
        ("grid: {seed: &a [*a]}", "recursive"),
        ("base: {model: c3d}\ngrid: {seed: 0}", "grid: seed: '0': no list of values; write"),
        ("\x00", "unacceptable character"),
        ("grid: " + 2000 * "[", "grid"),
        (f"base: {{{', '.join(f'k{i}: 0' for i in range(6000))}}}", "6000 keys, more than 100"),
        (f"base: {{model: c3d}}\ngrid: {HUGE}", "1000000000 runs: more than 10000"),
    ],
)
def test_load_yaml_refuses_in_one_line(tmp_path, text, message):
    with pytest.raises(UserError, match=rf"^{tmp_path}/g.yaml: .*{message}[^\n]*$"):
        load(tmp_path, text)


@pytest.mark.parametrize("second", [{}, {"seed": [0, 0, 1, 1]}])
def test_a_grids_figure_names_its_axes(tmp_path, second):
    (tmp_path / "g.yaml").write_text("base: {model: c3d}\ngrid: {learning_rate: [0.1, 0.01]}")
    columns = {"learning_rate": [0.1, 0.01] * 2} | second | {"accuracy": [0.5, 0.6, 0.7, 0.8]}
    table = pd.DataFrame(columns | {"run": "r", "status": "ok", "seconds": 1.0})
    axes = load_yaml(tmp_path / "g.yaml").figure(table, "note").axes[0]
    shown = {label.get_text() for label in axes.get_yticklabels()}
    if second:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("seed", "learning rate")
        assert shown == {"0.1", "0.01"}
    else:
        assert {"learning rate 0.1", "learning rate 0.01"} <= shown


def test_load_yaml_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none.yaml: cannot be read"):
        load_yaml(tmp_path / "none.yaml")
