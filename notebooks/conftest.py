"""Under nbval the notebooks run at `$UCF11_PROFILE`, `smoke` by default, in folders of their own."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("UCF11_PROFILE", "smoke")
_folder = tempfile.mkdtemp(prefix="ucf11-nbval-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["UCF11_DATA"] = f"{_folder}/data"
os.environ["UCF11_RUNS"] = f"{_folder}/runs"
