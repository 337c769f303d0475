"""The notebooks are thin, parametrised and stripped; that they run is nbval's business."""

import ast
import re

import nbformat
import pytest

from ucf11lib import paths
from ucf11lib.errors import UserError
from ucf11lib.report.notebooks import check_parameters, select_notebooks

NAMES = ["00_data", "01_c3d", "02_vgg9", "03_cnn_lstm", "04_comparison", "05_autopsy"]
NAMES += ["06_evaluation", "07_beyond"]
PARAMETERS = ["profile", "source", "data", "split", "seed", "figures_dir"]
FORBIDDEN = ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.For | ast.While


@pytest.fixture(params=NAMES)
def cells(request):
    """The code cells of a notebook."""
    notebook = nbformat.read(paths.NOTEBOOKS / f"{request.param}.ipynb", as_version=4)
    assert notebook.cells[0].source.startswith("# ")
    assert "papermill" not in notebook.metadata
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def statements(cell):
    lines = [line for line in cell.source.splitlines() if not line.startswith("%")]
    return ast.parse("\n".join(lines))


def tags(cell):
    return cell.metadata.get("tags", [])


def test_notebook_is_thin(cells):
    assert len(cells) <= 15
    assert max(len(cell.source.splitlines()) for cell in cells) <= 20
    nodes = [node for cell in cells for node in ast.walk(statements(cell))]
    assert not [node for node in nodes if isinstance(node, FORBIDDEN)]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    assert len(imports) <= 5


def test_notebook_has_one_parameters_cell(cells):
    (cell,) = [cell for cell in cells if "parameters" in tags(cell)]
    names = [node.targets[0].id for node in statements(cell).body]
    assert [name for name in names if name != "recipe"] == PARAMETERS


def test_notebook_saves_only_the_outputs_that_are_compared(cells):
    for cell in cells:
        assert cell.execution_count is None
        assert ("keep_output" in tags(cell)) == ("nbval-check-output" in tags(cell))
        assert bool(cell.outputs) == ("keep_output" in tags(cell))
    assert any(cell.outputs for cell in cells)


def test_notebooks_have_500_to_900_words_of_prose():
    for path in select_notebooks():
        cells = nbformat.read(path, as_version=4).cells
        prose = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert 500 <= len(re.findall(r"[A-Za-z][\w'+-]*", prose)) <= 900, path


def test_select_notebooks_in_order_and_by_name():
    assert [path.stem for path in select_notebooks()] == NAMES
    two = select_notebooks(["05_autopsy", "01_c3d.ipynb"])
    assert [path.stem for path in two] == ["01_c3d", "05_autopsy"]


def test_check_parameters_names_the_unknown_one():
    path = paths.NOTEBOOKS / "00_data.ipynb"
    check_parameters(path, PARAMETERS)
    with pytest.raises(UserError, match=r"00_data.ipynb: unknown parameter colour; it declares p"):
        check_parameters(path, ["profile", "colour"])
