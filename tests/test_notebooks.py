"""The notebooks' anatomy: thin, parametrised, stripped; that they run is nbval's and test_reproduce's business."""

import ast
import re

import nbformat
import pytest

from ucf11lib import notebooks, paths

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_is_one_a_model_and_for_data_comparison_autopsy_and_evaluation():
    names = ["00_data", "01_c3d", "02_vgg9", "03_cnn_lstm", "04_comparison", "05_autopsy", "06_evaluation"]
    assert [path.stem for path in NOTEBOOKS] == names


def test_thin(notebook):
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert len(code(notebook)) <= 15
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 20
        source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While), cell.source


def test_one_parameters_cell_with_the_same_names(notebook):
    tagged = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = [node.targets[0].id for node in ast.parse(tagged[0].source).body if isinstance(node, ast.Assign)]
    assert [name for name in names if name != "recipe"] == [
        "profile",
        "source",
        "data",
        "split",
        "seed",
        "figures_dir",
    ]


def test_stripped_but_for_the_compared_outputs(notebook):
    for cell in code(notebook):
        assert cell.execution_count is None
        tags = cell.metadata.get("tags", [])
        assert ("keep_output" in tags) == ("nbval-check-output" in tags)
        assert bool(cell.outputs) == ("keep_output" in tags)
    assert "papermill" not in notebook.metadata
    assert any("keep_output" in cell.metadata.get("tags", []) for cell in code(notebook))


@pytest.mark.slow
def test_a_notebook_that_is_run_twice_shows_the_same_numbers_and_figures(tmp_path):
    shown = []
    for work in (tmp_path / "one", tmp_path / "two"):
        for name in ("runs", "figures", "notebooks"):
            (work / name).mkdir(parents=True)
        path = paths.NOTEBOOKS / "06_evaluation.ipynb"
        where = {"runs_dir": work / "runs", "failed": tmp_path / "failed.ipynb"}
        notebooks.execute(path, work, {"profile": "smoke"}, **where)
        outputs = [output for cell in code(nbformat.read(work / path.name, 4)) for output in cell.outputs]
        texts = [output.get("text") or output.data.get("text/html", output.data["text/plain"]) for output in outputs]
        figures = {file.name: file.read_bytes() for file in (work / "figures").iterdir()}
        new = r"[\d.]+ s\b|T_[0-9a-f]+"  # seconds, and a table's name
        shown.append((re.sub(new, "", "".join(texts)).splitlines(), figures))
    assert any("accuracy" in line for line in shown[0][0])
    assert shown[0] == shown[1]
