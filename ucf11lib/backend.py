"""TensorFlow and Keras, started once and quietly: every other module imports them from here.

TensorFlow writes lines to file descriptor 2 while it loads and looks for devices, whatever its log level; they would
stand in every notebook. GPU memory growth must be set before the first operation, so it is set here too.
"""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Send what native code writes to standard error nowhere while the block runs."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# TensorFlow leaves oneDNN off on processors without AVX512-VNNI, laptops among them, and C3D is six times slower there.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with silent_stderr():
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns of compiled steps, of which each training has its own
    for _gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(_gpu, True)

__all__ = ["keras", "silent_stderr", "tf"]
