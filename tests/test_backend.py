import os
import subprocess
import sys

PROGRAM = """
import os, sys
from ucf11lib.backend import keras, tf
print(tf.reduce_sum(keras.ops.ones((2, 2))).numpy())
os.write(2, b"native")
print("python", file=sys.stderr)
"""


def test_tensorflow_starts_without_a_word_and_errors_are_heard_afterwards():
    command = [sys.executable, "-c", PROGRAM]
    options = {"capture_output": True, "text": True, "check": True, "timeout": 120}
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax"}, **options)
    assert (done.stdout, done.stderr) == ("4.0\n", "nativepython\n")
