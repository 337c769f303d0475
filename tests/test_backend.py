import subprocess
import sys

CHECK = (
    "from ucf11lib.backend import keras, tf; print(tf.reduce_sum(keras.ops.ones((2, 2))).numpy())"
)


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def test_tensorflow_starts_without_a_word():
    done = run(CHECK)
    assert (done.stdout, done.stderr) == ("4.0\n", "")


def test_errors_are_heard_again_afterwards():
    done = run(CHECK + "; import os, sys; os.write(2, b'native'); print('python', file=sys.stderr)")
    assert done.stderr == "nativepython\n"
