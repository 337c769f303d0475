import subprocess
import sys

CHECK = (
    "from ucf11lib.backend import keras, tf; print(tf.reduce_sum(keras.ops.ones((2, 2))).numpy())"
)


def test_tensorflow_starts_without_a_word():
    done = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "4.0\n"
    assert done.stderr == ""


def test_errors_are_heard_again_afterwards():
    code = CHECK + "; import os, sys; os.write(2, b'native'); print('python', file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == "nativepython\n"
