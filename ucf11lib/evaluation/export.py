"""A run's network as a file for other programs: uint8 frames in, probabilities out.

The file computes in float32, whatever the run did; normalisation and softmax are inside. It is run
in its own runtime, and saved only if its answers are those of the network.
"""

import contextlib
import importlib.util
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ucf11lib import paths
from ucf11lib.backend import keras, silent_stderr, tf
from ucf11lib.data import ClipStore
from ucf11lib.errors import FAILED, RunFailed, UserError
from ucf11lib.evaluation.predict import EVALUATION_BATCH, held_out_index, own_store
from ucf11lib.runs import Run
from ucf11lib.runs.parsing import check_name, check_utf8

MAX_SEQUENCES = 50  # that are compared
TOLERANCE = 1e-3  # of a probability
ABOUT = "ucf11.json"  # the name of the metadata where a format has only files
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else onnxruntime tells Microsoft what it runs
Call = Callable[[np.ndarray], np.ndarray]  # uint8 (n, T, H, W, 3) -> float32 (n, classes)


def export_model(run: Run, model: keras.Model, to: str, out: Path | str | None = None) -> str:
    """Write a run's network in a format of `FORMATS`; return a line on what it was compared with.

    Raises a `UserError` for a file that exists, a missing package, a network that the format cannot
    hold, and a run without its store, of whose held-out sequences up to 50 are compared. Raises a
    `RunFailed` if the probabilities are not those of the network, or of a run in float32.
    """
    check_name(to, FORMATS, "format")
    keras_name, default, describe, packages = FORMATS[to]
    path = Path(out or run.path / default)
    check_utf8(str(path), "choose another --out")
    if os.path.lexists(path):
        paths.remove_torn(path)  # of a process that was killed when the file was complete
        raise UserError(f"{path}: exists already; choose another --out")
    if missing := [one for one in packages if not importlib.util.find_spec(one)]:
        raise UserError(f"no package {missing[0]}; install it: pip install -e '.[export]'")
    n = len(run.predictions["index"])
    some = np.unique(np.linspace(0, n - 1, MAX_SEQUENCES).astype(int))
    store = _store_of(run)
    frames = store.take(held_out_index(run, store)[some])
    network = in_float32(model, two_step_pools=to == "tflite")
    if run.config.recipe.head == "logits":
        softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
        network = keras.Model(network.input, softmax(network.output))
    parts = np.array_split(frames, range(EVALUATION_BATCH, len(frames), EVALUATION_BATCH))
    expected = np.concatenate([np.asarray(network(part, training=False)) for part in parts])
    with paths.temporary_files(path) as folder:
        file = folder / default
        with _converting(f"{run.path}: cannot be written as {to}", path):
            network.export(file, format=keras_name, verbose=False)
            call = describe(file, _about(run))
            answers = np.concatenate([call(frames[i : i + 1]) for i in range(len(frames))])
        of_network = float(np.abs(answers - expected).max())
        of_run = float(np.abs(answers - run.predictions["y_prob"][some]).max())
        exact = run.config.precision == "float32"
        near = of_run <= TOLERANCE or (not exact and np.isfinite(of_run))
        if not (of_network <= TOLERANCE and near):
            differ = f"{of_network:.0e} from the network's, {of_run:.0e} from the run's"
            raise RunFailed(f"{path}: not written, its probabilities differ by {differ}")
        paths.check_free(path)
        file.rename(path)
    size = f"{paths.display(path)}: on {len(some)} held-out sequences its probabilities differ by"
    own = f"{of_run:.0e} from the run's, in {run.config.precision}"
    return f"{size} at most {of_network:.0e} from the network's in float32, {own}"


def _store_of(run: Run) -> ClipStore:
    """Open a run's store; raise a `UserError` if its bytes or classes are not the run's."""
    store = own_store(run)
    store.verify()
    if store.classes != run.data.classes:
        raise UserError(f"{run.path}/config.json: its classes are not its store's; train again")
    return store


def in_float32(model: keras.Model, *, two_step_pools: bool = False) -> keras.Model:
    """Return a copy with the same weights that computes in float32, its LSTMs unrolled.

    `two_step_pools` replaces pools over time and space by one over space, then one over time.
    """

    def clone(operation: keras.Operation) -> keras.Operation:
        settings = operation.get_config()
        if two_step_pools and isinstance(operation, keras.layers.MaxPooling3D):
            return _two_steps(operation)
        if isinstance(operation, keras.layers.Layer):
            settings["dtype"] = "float32"
        if isinstance(operation, keras.layers.LSTM):
            settings["unroll"] = True
        return type(operation).from_config(settings)

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def _two_steps(pool: keras.layers.MaxPooling3D) -> keras.Model:
    """Return the same as `pool`, whose padding is "valid" and whose strides are its size."""
    (time, tall, wide), (frames, height, width, channels) = pool.pool_size, pool.input.shape[1:]
    layers, rows, columns = keras.layers, height // tall, width // wide
    steps = [
        layers.Cropping3D(((0, 0), (0, height % tall), (0, 0))),
        layers.Reshape((frames * rows * tall, width, channels)),
        layers.MaxPooling2D((tall, wide)),
        layers.Reshape((frames, rows * columns, channels)),
        layers.MaxPooling2D((time, 1)),
        layers.Reshape((frames // time, rows, columns, channels)),
    ]
    return keras.Sequential(steps, name=pool.name)


def _about(run: Run) -> dict[str, str]:
    """Return what a user of the file must know, as text."""
    data = run.data
    shape = f"(N, {data.window}, {data.size}, {data.size}, 3)"
    return {
        "classes": json.dumps(data.classes),
        "window": str(data.window),
        "size": str(data.size),
        "input": f"uint8 {shape}, consecutive RGB frames, 0 to 255",
        "output": f"float32 (N, {len(data.classes)}), probabilities",
        "trained_on": run.note,
    }


@contextlib.contextmanager
def _converting(what: str, path: Path) -> Iterator[None]:
    """Silence the converters; what they raise, which may be anything, becomes one line.

    Raises a `UserError`, or an `OSError` that names `path` where the system refused to write, as on
    a full disk.
    """
    try:
        with silent_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        for number in FAILED:
            if os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number), str(path)) from None
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{what} ({reason}); choose another --to") from None


def _savedmodel(folder: Path, about: dict[str, str]) -> Call:
    (folder / "assets.extra").mkdir()  # TensorFlow's place for files of others
    (folder / "assets.extra" / ABOUT).write_text(json.dumps(about, indent=1))
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return lambda frames: next(iter(serve(tf.constant(frames)).values()))


def _onnx(file: Path, about: dict[str, str]) -> Call:
    onnx = importlib.import_module("onnx")
    model = onnx.load(file)
    onnx.helper.set_model_props(model, about)
    onnx.save(model, file)
    session = importlib.import_module("onnxruntime").InferenceSession(file)
    return lambda frames: session.run(None, {session.get_inputs()[0].name: frames})[0]


def _tflite(file: Path, about: dict[str, str]) -> Call:
    with zipfile.ZipFile(file, "a") as archive:  # behind the model, as TFLite's associated files
        archive.writestr(ABOUT, json.dumps(about, indent=1))
    run = tf.lite.Interpreter(str(file)).get_signature_runner()
    (name,) = run.get_input_details()
    return lambda frames: next(iter(run(**{name: frames}).values()))


FORMATS = {  # Keras's name; the file; what describes it and returns its runtime; packages
    "savedmodel": ("tf_saved_model", "savedmodel", _savedmodel, ()),
    "onnx": ("onnx", "model.onnx", _onnx, ("tf2onnx", "onnx", "onnxruntime")),
    "tflite": ("litert", "model.tflite", _tflite, ()),
}
