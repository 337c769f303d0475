"""The three networks' training step in PyTorch, which `speed` compares with ours.

PyTorch is no dependency: the comparison is made where it is installed, such as by `pip install
torch==2.13.0`, the build for CPUs, in a copy of the environment. Channels last, autocast and a
fused Adam are what PyTorch's performance tuning guide advises:
https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html.
"""

import contextlib
import importlib
import os
from collections.abc import Callable
from importlib import metadata
from types import ModuleType

import numpy as np

from ucf11lib.backend import keras
from ucf11lib.models import c3d, cnn_lstm, vgg9
from ucf11lib.models.layers import NOISE_FLOOR, Builder
from ucf11lib.runs import RunConfig

PER_FRAME = ("vgg9", "cnn_lstm")  # networks that see frames as a batch


def version() -> str | None:
    """Return PyTorch's version; None where it is not installed."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version("torch")
    return None


def training_step(
    config: RunConfig, ours: keras.Model, frames: np.ndarray, labels: np.ndarray
) -> Callable[[], float]:
    """Return a function that trains on one batch, (N, T, H, W, 3) and (N,), and returns the loss.

    The batch is normalised as with `inputs="sequence"`, and not augmented. Raises a `ValueError`
    unless the network has as many weights as `ours`.
    """
    torch = importlib.import_module("torch")  # here, since it needs memory, which is measured
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # by default one for two of them
    network = _network(torch.nn, config, frames.shape[1], ours.output_shape[-1])
    rank = 4 if config.model in PER_FRAME else 5
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}[rank]
    inputs, targets = torch.from_numpy(frames), torch.from_numpy(labels.astype(np.int64))

    def loss():
        x = inputs.float()
        x = x - x.mean(1, keepdim=True)
        x = x / (x.square().mean((1, 2, 3, 4), keepdim=True).sqrt() + NOISE_FLOOR)
        x = x.flatten(0, 1) if rank == 4 else x
        smoothing = config.recipe.label_smoothing
        with torch.autocast("cpu", torch.bfloat16, config.precision == "bfloat16"):
            logits = network(x.movedim(-1, 1))  # as channels last lies in memory: no copy
            return torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)

    with torch.no_grad():
        loss()  # gives lazy layers their inputs
    network.to(memory_format=layout)
    # Its LSTM has a second bias, which adds nothing.
    sizes = {name: one.numel() for name, one in network.named_parameters() if "bias_hh" not in name}
    if sum(sizes.values()) != ours.count_params():
        raise ValueError(f"{config.model}: {sizes} weights, and ours {ours.count_params()}")
    optimizer = torch.optim.Adam(network.parameters(), config.recipe.learning_rate, fused=True)

    def step() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return value.item()

    return step


def _network(nn: ModuleType, config: RunConfig, window: int, classes: int):
    """Return the network of the same layers: (N T, 3, H, W), or (N, 3, T, H, W), to logits."""
    units = Builder(config.recipe, config.profile.width, config.seed).units
    layers = _convolutions(nn, config.model, units)
    layers.append(nn.Flatten())
    dense = {"c3d": (1024, 1024), "vgg9": (2048, 2048), "cnn_lstm": ()}[config.model]
    dropout = [nn.Dropout(config.recipe.dropout)] if config.recipe.dropout else []
    for size in dense:
        layers += [*dropout, nn.LazyLinear(units(size)), nn.ReLU()]
    if config.model == "vgg9":
        layers += [nn.LazyLinear(units(500)), nn.Unflatten(0, (-1, window)), nn.Flatten()]
    if config.model == "cnn_lstm":
        lstm = nn.LSTM(cnn_lstm.LSTM_INPUTS, cnn_lstm.LSTM_UNITS, batch_first=True)
        lstm.register_forward_hook(lambda module, given, result: result[0])  # of all frames
        layers += [nn.LazyLinear(cnn_lstm.LSTM_INPUTS), nn.Unflatten(0, (-1, window))]
        layers += [lstm, nn.Flatten()]
    return nn.Sequential(*layers, *dropout, nn.LazyLinear(classes))


def _convolutions(nn: ModuleType, model: str, units: Callable[[int], int]) -> list:
    """Return the convolutions, each with the pool before the ReLU, as ours."""
    sizes: list[tuple]  # channels, kernel, pool
    if model == "cnn_lstm":
        sizes = [(channels, (kernel, kernel), (2, 2)) for channels, kernel in cnn_lstm.CONVOLUTIONS]
    else:
        of = {"c3d": c3d, "vgg9": vgg9}[model]
        kernel = (3,) * len(of.POOLS[0])
        sizes = [(n, kernel, pool) for n, pool in zip(of.CHANNELS, of.POOLS, strict=True)]
    layers: list = []
    for channels, kernel, pool in sizes:
        convolution, max_pool = nn.LazyConv2d, nn.MaxPool2d
        if len(kernel) == 3:
            convolution, max_pool = nn.LazyConv3d, nn.MaxPool3d
        padding = [side // 2 for side in kernel]  # a pixel more for the kernel of 2; pooled away
        layers.append(convolution(units(channels), kernel, padding=padding))
        layers += [max_pool(pool)] if pool else []
        layers.append(nn.ReLU())
    return layers
