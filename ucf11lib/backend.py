"""TensorFlow and Keras, started once, quietly and not before they are used.

Every other module imports them from here. To start takes seconds: `store`, `runs`, `prepare` and
the refusal of a mistake need not wait. TensorFlow writes to file descriptor 2 while it looks for
devices, whatever its log level: lines in every notebook. GPU memory growth must be set before the
first operation.

Where TensorFlow is not installed, Keras runs on JAX, or on what KERAS_BACKEND says: networks can be
built and `studies.full_width` trains. The first use of `tf` then raises a `ModuleNotFoundError`.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


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


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python's garbage collector off in the block, where packages are imported.

    It would walk TensorFlow's half a million objects again and again, and free next to nothing: a
    quarter of the seconds of its start. To freeze and unfreeze them makes them old without a walk.
    Frozen at the end of the process, they are not taken apart one by one: both are another quarter,
    of a training of profile smoke (processor seconds, measured with AVX2).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        atexit.register(gc.freeze)
        if collects:
            gc.enable()


@contextlib.contextmanager
def _without(*packages: str) -> Iterator[None]:
    """Let packages that are not loaded yet look, in the block, as if they were not installed.

    Keras and TensorFlow Lite import these for functions that nothing here calls, a third of the
    seconds of a start. What imports them afterwards gets them.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@functools.cache
def _started() -> tuple[Any, Any]:
    """Return TensorFlow and Keras; None for TensorFlow where it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow leaves oneDNN off on processors without AVX512-VNNI, where C3D is six times slower.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # TensorFlow ends the process for an unknown flag in it, and says why on standard error alone.
    native = contextlib.nullcontext() if "TF_XLA_FLAGS" in os.environ else silent_stderr()
    try:
        with native, _uncollected():
            if not tf:
                if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
                    os.environ["KERAS_BACKEND"] = "jax"
                return None, importlib.import_module("keras")
            os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever other programs of the user need
            os.environ["KERAS_HOME"] = os.devnull  # nor may their keras.json change anything
            with _without("jax", "matplotlib", "sklearn"):
                tensorflow = importlib.import_module("tensorflow")
                # It warns of compiled steps, of which a training has one.
                tensorflow.get_logger().setLevel("ERROR")
                network_library = importlib.import_module("keras")
            for gpu in tensorflow.config.list_physical_devices("GPU"):
                tensorflow.config.experimental.set_memory_growth(gpu, True)
            return tensorflow, network_library
    except AttributeError as error:  # of a package that was loaded in part, for lack of memory
        raise ImportError(str(error)) from None


class _TensorFlow:
    """In the place of the module `tensorflow`; false where that is not installed."""

    def __bool__(self) -> bool:
        return importlib.util.find_spec("tensorflow") is not None

    def __getattr__(self, name: str) -> Any:
        if not self:
            raise ModuleNotFoundError("TensorFlow is not installed", name="tensorflow")
        return getattr(_started()[0], name)


if not TYPE_CHECKING:
    tf = _TensorFlow()

    def __getattr__(name: str) -> Any:  # of this module: starts Keras where it is imported
        if name == "keras":
            return _started()[1]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["keras", "silent_stderr", "tf"]
