import os
import subprocess
import sys

import pytest

PROGRAM = """
import gc, os, sys
from ucf11lib import evaluation, models, training
from ucf11lib.backend import keras, tf
print(tf.reduce_sum(keras.ops.ones((2, 2))).numpy(), keras.config.image_data_format())
print(gc.isenabled(), {"jax", "matplotlib", "sklearn", "scipy.stats"} & set(sys.modules))
import sklearn
os.write(2, b"native")
print("python", file=sys.stderr)
"""


@pytest.mark.slow
def test_tensorflow_starts_without_a_word_and_errors_are_heard_afterwards(tmp_path):
    command = [sys.executable, "-c", PROGRAM]
    options = {"capture_output": True, "text": True, "check": True, "timeout": 120}
    settings = tmp_path / ".keras" / "keras.json"
    settings.parent.mkdir()
    settings.write_text('{"floatx": "bfloat16", "image_data_format": "channels_first"}')
    others = {"KERAS_BACKEND": "jax", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=os.environ | others, **options)
    assert (done.stdout, done.stderr) == ("4.0 channels_last\nTrue set()\n", "nativepython\n")


@pytest.mark.slow
def test_a_flag_that_tensorflow_does_not_know_is_named():
    command = [sys.executable, "-c", "from ucf11lib.backend import keras"]
    flags = os.environ | {"TF_XLA_FLAGS": "--bad"}
    done = subprocess.run(command, env=flags, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "TF_XLA_FLAGS: --bad" in done.stderr


BROKEN_TENSORFLOW = """
import importlib.machinery, sys, types
part = types.ModuleType("tensorflow")
part.__spec__ = importlib.machinery.ModuleSpec("tensorflow", None)
sys.modules["tensorflow"] = {}
from ucf11lib.__main__ import main
sys.exit(main(["train", "c3d", "--profile", "smoke"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("None", "TensorFlow is not installed; "),
        ("part", "module 'tensorflow' has no attribute 'get_logger'; raise the limit of"),
    ],
)
def test_a_command_that_needs_a_missing_tensorflow_says_so_in_one_line(module, message):
    command = [sys.executable, "-c", BROKEN_TENSORFLOW.format(module)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


WITHOUT_NEED = """
import sys
from ucf11lib.__main__ import main
for words in sys.argv[1:]:
    print(main(words.split()), {"tensorflow", "keras"} & set(sys.modules), words, file=sys.stderr)
"""
CODES = {
    "store verify {store}": 0,
    "runs --runs {runs}": 0,
    "prepare --source videos --data nowhere": 2,
    "train c3d --set rate=1": 2,
    "evaluate --run nowhere": 2,
    "predict clip.mp4 --run nowhere": 2,
    "explore --run nowhere": 2,
    "export-model --run nowhere --to onnx": 2,
}


@pytest.mark.slow
def test_tensorflow_is_not_started_for_what_does_not_use_it(store, trained):
    places = {"store": store.path, "runs": trained.path.parent}
    codes = {words.format(**places): code for words, code in CODES.items()}
    command = [sys.executable, "-c", WITHOUT_NEED, *codes]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("error: ")]
    assert lines == [f"{code} set() {words}" for words, code in codes.items()]
