"""Under nbval the notebooks run at `$UCF11_PROFILE`, `smoke` by default, in folders of their own.

pytest-xdist's workers share those of the process that started them: each model is trained once.
"""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("UCF11_PROFILE", "smoke")
if "PYTEST_XDIST_WORKER" not in os.environ:
    _folder = tempfile.mkdtemp(prefix="ucf11-nbval-")
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    os.environ["UCF11_DATA"] = f"{_folder}/data"
    os.environ["UCF11_RUNS"] = f"{_folder}/runs"


def pytest_collection_modifyitems(items):
    """Number the cells with saved outputs: nbval compares no cell without a number."""
    for item in items:
        cell = getattr(item, "cell", None)
        if cell is not None and cell.get("outputs"):
            cell["execution_count"] = 1
