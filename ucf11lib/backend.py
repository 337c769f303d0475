"""TensorFlow and Keras, started once and quietly: every other module imports them from here.

TensorFlow writes to file descriptor 2 while it looks for devices, whatever its log level: lines in
every notebook. GPU memory growth must be set before the first operation.

Where TensorFlow is not installed, Keras runs on JAX, or on what KERAS_BACKEND says: networks can be
built and `studies.full_width` trains. The first use of `tf` then raises a `ModuleNotFoundError`.
"""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard what native code writes to standard error during the block."""
    sys.stderr.flush()
    original = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.close(null)


class _Missing:
    """In the place of TensorFlow where it is not installed; false."""

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str):
        raise ModuleNotFoundError("TensorFlow is not installed", name="tensorflow")


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# TensorFlow leaves oneDNN off on processors without AVX512-VNNI, where C3D is six times slower.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with silent_stderr():
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":  # it is installed, and something that it needs is not
            raise
        tf = _Missing()
        if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
            os.environ["KERAS_BACKEND"] = "jax"
    else:
        os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever other programs of the user need
        tf.get_logger().setLevel("ERROR")  # it warns of compiled steps: each training has one
        for _gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(_gpu, True)
    import keras

__all__ = ["keras", "silent_stderr", "tf"]
