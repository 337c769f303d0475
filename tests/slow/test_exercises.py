"""Each exercise runs from end to end in its own kernel once its blanks are filled."""

import nbformat
import papermill
import pytest

from ucf11lib import paths

FOLDER = paths.NOTEBOOKS / "exercises"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_exercise_with_its_solution_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    blanks = [cell for cell in notebook.cells if "blank" in cell.metadata.get("tags", [])]
    solutions = (FOLDER / "solutions" / f"{path.stem[2:]}.py").read_text().split("# %%\n")
    for cell, source in zip(blanks, solutions, strict=True):
        cell.source = source
    nbformat.write(notebook, tmp_path / path.name)
    papermill.execute_notebook(
        tmp_path / path.name, tmp_path / "done.ipynb", cwd=FOLDER, progress_bar=False,
        kernel_name="python3",
    )  # fmt: skip
    done = nbformat.read(tmp_path / "done.ipynb", as_version=4)
    printed = [out.get("text", "") for cell in done.cells for out in cell.get("outputs", [])]
    assert sum(text.count("right: ") for text in printed) == len(blanks)
