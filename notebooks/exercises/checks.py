"""Checks of the exercises: each prints what is right, or raises a `Hint` at the next thing to do.

A `Hint` is an exception, so "Run all" stops at it; Jupyter shows it as one line, no traceback.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ucf11lib.backend import keras, tf
from ucf11lib.data import ClipStore, Split, open_or_prepare, splits
from ucf11lib.evaluation import baselines, saliency
from ucf11lib.runs import RunConfig
from ucf11lib.studies.study import new_trainer
from ucf11lib.training import health

STEPS = 10  # of a training that is only looked at
KINDS = {"A": "video", "B": "group", "C": "random"}  # of the splits of exercise 2
SEEDS = range(5)  # of the splits over which exercise 4 averages
MARGIN = 0.15  # over the colour histogram
COSINE = 0.98  # of two maps that are the same but for bfloat16's rounding


class Hint(AssertionError):  # noqa: N818 - it says what to do
    """What to look at next."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet: {self}"]


def expect(holds: object, hint: str) -> None:
    """Raise a `Hint` unless something holds."""
    if not holds:
        raise Hint(hint)


def expect_filled(value: object, what: str) -> None:
    """Raise a `Hint` for an answer that is not written yet."""
    expect(value is not None and value is not ..., f"{what} is still blank")


def small_store(render_seed: int = 0) -> ClipStore:
    """Open, or render, 220 sequences: 5 groups a class, 2 clips a group, 2 sequences a clip."""
    sizes = {"groups": 5, "clips": 2, "sequences": 2, "render_seed": render_seed}
    return open_or_prepare(RunConfig.of(model="c3d", profile="smoke", **sizes).data)


def unnamed_splits(store: ClipStore) -> dict[str, Split]:
    """Return splits A, B and C of exercise 2."""
    return {name: splits.divide(store, kind) for name, kind in KINDS.items()}


@functools.cache
def first_steps(**changes: object) -> tuple[pd.DataFrame, list[str]]:
    """Train a small C3D for ten steps, repaired but for changes; return table and findings."""
    length = {"epochs": 1, "steps_per_epoch": STEPS}
    config = RunConfig.of(model="c3d", profile="smoke", **length, **changes)
    trainer = new_trainer(config, open_or_prepare(config.data))
    rows: list[np.ndarray] = []
    for batch in trainer.batches(0, STEPS):
        rows.append(np.asarray(trainer.step(*batch)))
        trainer.monitor.look(rows, last=len(rows) == STEPS)
    signals = [health.Signals.of(row, config.recipe.batch_size) for row in rows]
    table = pd.DataFrame(map(vars, signals))[["loss", "gradient_norm"]]
    return table, [finding.line for finding in trainer.monitor.findings]


def check_1(changes: Mapping[str, object], lowest_loss: object, seed: int = 0) -> None:
    """Exercise 1: changes that give a double softmax, a zero gradient and an exploding loss."""
    for name, change in changes.items():
        expect_filled(change, f'changes["{name}"]')
        expect(len(change) <= 2, f'changes["{name}"]: two settings are enough')
    expect_filled(lowest_loss, "lowest_loss")
    hint = "lowest_loss: not ln 11, a guess's loss; take -log of the 1 in softmax(1, 0, ..., 0)"
    expect(math.isclose(lowest_loss, health.lattice(11, 1)[1], abs_tol=0.001), hint)
    double, findings = first_steps(seed=seed, **changes["double_softmax"])
    hint = f"double_softmax: which head sums to 1? Found: {(findings or ['nothing'])[0][:99]}"
    expect("double_softmax" in str(findings), hint)
    moves = double["gradient_norm"].median() > health.DEAD_GRADIENT_NORM
    expect(moves, "double_softmax: its gradient is gone, too; that is the second fault")
    norm = first_steps(seed=seed, **changes["zero_gradient"])[0]["gradient_norm"][2:].median()
    flat = changes["zero_gradient"].get("head") == "softmax"
    hint = "small steps are not small gradients; which function is flat far from 0?"
    hint = "now saturate the softmax: make its inputs large" if flat else hint
    expect(norm < health.DEAD_GRADIENT_NORM, f"zero_gradient: the norm is {norm:.2g}; {hint}")
    sound = changes["exploding_loss"].get("head") != "softmax"
    expect(sound, "exploding_loss: it needs logits; a double softmax stays below 2.543")
    largest = first_steps(seed=seed, **changes["exploding_loss"])[0]["loss"].max(skipna=False)
    exploded = not largest < 10 * math.log(11)  # nor is what is no number
    expect(exploded, f"exploding_loss: the largest loss is {largest:.3g}; change more boldly")
    print("right: three faults, each by its symptom, and the floor of a double softmax")


def check_2(leaked: Callable, verdict: Mapping[str, object], store: ClipStore) -> None:
    """Exercise 2: which held-out sequences share a clip or a group with the training part."""
    for name, parts in unnamed_splits(store).items():
        answer = leaked(store, parts)
        expect_filled(answer, "leaked")
        shapes = [np.shape(one) for one in answer] if isinstance(answer, tuple) else []
        expect(shapes == 2 * [parts.validation.shape], "two arrays: same clip, same group")
        units = ("clip", store.clips), ("group", store.groups)
        for (unit, of), array in zip(units, answer, strict=True):
            right = np.isin(of[parts.validation], of[parts.train])
            hint = f"split {name}, {unit}: you find {np.sum(array)}, there are {right.sum()}"
            if not np.any(array):
                hint += "; store indices never overlap: compare what they were cut from"
            elif np.all(array):
                hint += "; a class is on both sides by design: compare something finer"
            expect(np.array_equal(array, right), hint)
    for name, kind in KINDS.items():
        expect_filled(verdict[name], f'verdict["{name}"]')
        expect(verdict[name] == kind, f"verdict {name}: random cuts clips apart, video groups")
    print("right: you can find a leak that no accuracy shows")


def check_3(block: Callable, channels: Sequence[Sequence[int]]) -> None:
    """Exercise 3: the (2+1)D block of Tran et al., CVPR 2018, arXiv:1711.11248."""
    for n_in, n_out in channels:
        x = keras.Input((6, 12, 12, n_in))
        y = block(x, n_out)
        expect_filled(y, "block")
        right = (6, 12, 12, n_out)
        expect(y.shape[1:] == right, f"{y.shape[1:]} is not {right}: look at padding and filters")
        model = keras.Model(x, y)
        convs = [one for one in model.layers if isinstance(one, keras.layers.Conv3D)]
        expect(len(convs) == 2, f"{len(convs)} Conv3D layers; space and time need one each")
        kernels = [one.kernel for one in convs]
        sizes = [tuple(one.kernel_size) for one in convs]
        expect(sizes == [(1, 3, 3), (3, 1, 1)], f"kernels {sizes}: first space, then time")
        m = 27 * n_in * n_out // (9 * n_in + 3 * n_out)
        right, weights = m * (9 * n_in + 3 * n_out), sum(math.prod(k.shape) for k in kernels)
        expect(weights == right, f"{weights} weights; the formula's {m} filters have {right}")
        noise = keras.random.normal((2, 6, 12, 12, n_in), seed=0)
        lowest = keras.ops.min(keras.Model(x, convs[1].input)(noise))
        expect(lowest >= 0, "without a ReLU between, two kernels are one")
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(noise)))
        flows = [g is not None and tf.norm(g) > 0 for g in tape.gradient(loss, kernels)]
        expect(all(flows), "a kernel gets no gradient: is it connected?")
    print(f"right: {weights} weights, a 3 x 3 x 3 convolution has {27 * n_in * n_out}")


def accuracy(features: np.ndarray, store: ClipStore) -> float:
    """Return the mean accuracy on held-out groups of logistic regression, over five splits."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    shares = []
    for parts in (splits.divide(store, "group", seed) for seed in SEEDS):
        model.fit(features[parts.train], store.labels[parts.train])
        shares.append(model.score(features[parts.validation], store.labels[parts.validation]))
    return float(np.mean(shares))


def check_4(features: Callable, store: ClipStore) -> None:
    """Exercise 4: features that beat one frame's colours, each sequence's from itself alone."""
    frames = store.frames[:]
    values = features(frames)
    expect_filled(values, "features")
    values, n = np.asarray(values), len(frames)
    expect(values.ndim == 2 and len(values) == n, f"{values.shape}; one row for each of {n}")
    few = [0, n // 2, n - 1]
    single = np.concatenate([features(frames[i : i + 1]) for i in few])
    hint = "a leak: a sequence's features change with the sequences beside it"
    expect(np.allclose(single, values[few], rtol=1e-3, atol=1e-5), hint)
    linear, own = (accuracy(one, store) for one in (baselines.colour_histograms(frames), values))
    hint = f"{own:.0%}, it takes {linear + MARGIN:.0%}: colours belong to the group; what moves?"
    expect(own >= linear + MARGIN, hint)
    print(f"right: {own:.0%} on held-out groups, the colour histogram {linear:.0%}")


def check_5(heat: object, model: keras.Model, frames: np.ndarray) -> None:
    """Exercise 5: a Grad-CAM of the last convolution of C3D, for uint8 (1, T, H, W, 3)."""
    expect_filled(heat, "grad_cam")
    heat, shape = np.asarray(heat, np.float32), model.get_layer("conv6").output.shape[1:4]
    expect(heat.shape == shape, f"{heat.shape} is not {shape}: sum over channels, drop the batch")
    expect(heat.min() >= 0, "negative sums speak against the class: set them to 0")
    expect(math.isclose(heat.max(), 1, rel_tol=1e-3), f"the maximum is {heat.max():.3g}, not 1")
    for axis, length in enumerate(frames.shape[1:4]):
        heat = saliency.stretched(heat, axis, length)
    right = saliency.grad_cam(model, frames)[0]
    cosine = float((heat * right).sum() / np.linalg.norm(heat) / np.linalg.norm(right))
    hint = "the weights are means of the gradient over time and place; outputs are after ReLU"
    expect(cosine > COSINE, f"the cosine with the library's map is {cosine:.2f}: {hint}")
    print(f"right: your map and the library's have a cosine of {cosine:.3f}")


def check_5_answers(answers: Mapping[str, object], model: keras.Model) -> None:
    """Exercise 5, the questions."""
    cells, frames, shows = map(answers.get, ("time_cells", "frames_in_a_cell", "a_map_shows"))
    for value in (cells, frames, shows):
        expect_filled(value, "an answer")
    expect(cells == model.get_layer("conv6").output.shape[1], "time_cells: see conv6's shape")
    expect(frames == 4, "frames_in_a_cell: how many pools before conv6 halve time?")
    expect(shows == "b", "a_map_shows: a network with random weights has plausible maps, too")
    print("right: a map shows channels that raise the answer, at the resolution of its layer")
