"""Keras's convolutions with gradients that oneDNN computes sooner; all numbers are the same but for rounding.

Measured on two cores, batch 16, full width: with AVX512 unless it says otherwise. What holds for oneDNN only is left
out where there is a GPU, and what holds for one kind of processor on the other.
"""

import os
from collections.abc import Callable

from numpy._core._multiarray_umath import __cpu_features__ as processor  # only here does Python say what one can do

from ucf11lib.backend import keras, tf

# With so many channels on both sides, the sums that the gradient of a 2D kernel needs leave a processor's cache.
WIDE = 512
PARTS = 4
# Without AVX512, convolutions forward are faster than oneDNN's gradient of a 2D kernel of so many channels this small.
INPUTS, OUTPUTS, SMALL = 64, 128, 3
PICTURES, LINES = 64, 4  # at a time, so that what is summed stays in the cache
# With so few outputs, oneDNN's gradient of a 3D kernel takes the sequences of a batch one after the other, on one core.
NARROW = 16


@tf.custom_gradient
def add_bias(x: tf.Tensor, bias: tf.Tensor):
    """Add a number a channel: (..., C) + (C,) -> (..., C).

    Its gradient is a product with ones. TensorFlow lets its own be computed together with that of the convolution's
    kernel, which takes oneDNN three times as long as the product and more: 4 % of CNN+LSTM's step.
    """

    def gradient(upstream):
        rows = tf.reshape(upstream, (-1, upstream.shape[-1]))
        return upstream, tf.linalg.matvec(rows, tf.ones(tf.shape(rows)[:1], rows.dtype), transpose_a=True)

    return tf.nn.bias_add(x, bias), gradient


def convolve_wide(x: tf.Tensor, kernel: tf.Tensor, of_kernel: Callable) -> tf.Tensor:
    """Convolve with stride 1 and padding "same": (N, H, W, C) * (h, w, C, D) -> (N, H, W, D).

    `of_kernel` computes the kernel's gradient: `by_outputs` or `by_pictures`.
    """
    how = {"strides": [1, 1, 1, 1], "padding": "SAME"}

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(upstream):
            before = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, **how
            )
            # Side by side, the two would drive each other's numbers out of the cache; with AVX512 nobody measured it.
            with tf.control_dependencies([before] if of_kernel is by_pictures else []):
                return before, of_kernel(x, upstream, kernel.shape)

        return tf.nn.conv2d(x, kernel, **how), gradient

    return convolve(x, kernel)


def by_outputs(x: tf.Tensor, upstream: tf.Tensor, sizes: tf.TensorShape) -> tf.Tensor:
    """Compute a kernel's gradient for a part of the outputs at a time: 0.74 of the time for VGG9's last one."""
    sizes = (*sizes[:3], sizes[3] // PARTS)
    parts = [tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=sizes, out_backprop=part, strides=[1] * 4,
                                             padding="SAME")
             for part in tf.split(upstream, PARTS, axis=-1)]  # fmt: skip
    return tf.concat(parts, axis=-1)


def by_pictures(x: tf.Tensor, upstream: tf.Tensor, sizes: tf.TensorShape) -> tf.Tensor:
    """Compute a kernel's gradient as convolutions forward, without AVX512 in 0.67 to 0.9 of the time.

    A channel of x is a picture then, the pictures are its channels, and the upstream gradients are the kernel: what
    they meet at each shift is the gradient of the kernel there. It is computed for a few pictures and rows at a time.
    """
    height, width, channels, outputs = sizes
    pad = [[0, 0], *([(size - 1) // 2, size // 2] for size in (height, width)), [0, 0]]
    total = tf.zeros((channels, height, width, outputs), x.dtype)

    def add(start, total):
        of = slice(start, start + PICTURES)
        pictures, gradients = tf.transpose(x[of], (3, 1, 2, 0)), tf.transpose(upstream[of], (1, 2, 0, 3))
        pictures = tf.pad(pictures, pad)
        for top in range(0, x.shape[1], LINES):
            lines = pictures[:, top : top + LINES + height - 1]
            total += tf.nn.conv2d(lines, gradients[top : top + LINES], strides=1, padding="VALID")
        return start + PICTURES, total

    with tf.name_scope("by_pictures"):
        there = tf.shape(x)[0]
        _, total = tf.while_loop(lambda start, _: start < there, add, (0, total), parallel_iterations=1)
        return tf.transpose(total, (1, 2, 0, 3))


@tf.custom_gradient
def convolve_narrow(x: tf.Tensor, kernel: tf.Tensor):
    """Convolve with stride 1 and padding "same": (N, T, H, W, C) * (t, h, w, C, D) -> (N, T, H, W, D), t odd.

    The kernel's gradient is computed in two dimensions, a frame of the kernel at a time: C3D's step at the quick width,
    of which the first two layers' took a third, takes 0.84 of the time without AVX512. With more
    outputs it gains little on small pictures, and is up to three times slower on large ones.
    """
    how = {"strides": [1] * 5, "padding": "SAME"}

    def gradient(upstream):
        frames, (depth, *sizes) = x.shape[1], kernel.shape
        padded = tf.pad(x, [[0, 0], [depth // 2, depth // 2], [0, 0], [0, 0], [0, 0]])
        pictures = [padded[:, start : start + frames] if start != depth // 2 else x for start in range(depth)]
        after = tf.reshape(upstream, (-1, *upstream.shape[2:]))
        parts = [tf.raw_ops.Conv2DBackpropFilter(input=tf.reshape(part, (-1, *x.shape[2:])), filter_sizes=sizes,
                                                 out_backprop=after, strides=[1] * 4, padding="SAME")
                 for part in pictures]  # fmt: skip
        before = tf.raw_ops.Conv3DBackpropInputV2(input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, **how)
        return before, tf.stack(parts)

    return tf.nn.conv3d(x, kernel, **how), gradient


@keras.saving.register_keras_serializable("ucf11lib")
class Conv2D(keras.layers.Conv2D):
    """Keras's own of stride 1 and padding "same", by `add_bias`, and by `convolve_wide` where that is sooner."""

    def call(self, x):
        """Convolve; (N, H, W, C) -> (N, H, W, filters)."""
        kernel = tf.convert_to_tensor(self.kernel)
        of_kernel = sooner(kernel.shape)
        x = convolve_wide(x, kernel, of_kernel) if of_kernel else self.convolution_op(x, kernel)
        return add_bias(x, tf.convert_to_tensor(self.bias))


@keras.saving.register_keras_serializable("ucf11lib")
class Conv3D(keras.layers.Conv3D):
    """The same in three dimensions, by `convolve_narrow` where that is sooner; the kernel's depth must be odd."""

    def call(self, x):
        """Convolve; (N, T, H, W, C) -> (N, T, H, W, filters)."""
        kernel = tf.convert_to_tensor(self.kernel)
        x = convolve_narrow(x, kernel) if kernel.shape[-1] <= NARROW and _cpu() else self.convolution_op(x, kernel)
        return add_bias(x, tf.convert_to_tensor(self.bias))


def sooner(sizes: tf.TensorShape) -> Callable | None:
    """Return what computes the gradient of a 2D kernel of (h, w, C, D) sooner than oneDNN, if anything does here."""
    height, width, channels, outputs = sizes
    if not _cpu():
        return None
    if _avx512():
        return by_outputs if min(channels, outputs) >= WIDE else None
    small = max(height, width) <= SMALL
    return by_pictures if processor["AVX2"] and small and channels >= INPUTS and outputs >= OUTPUTS else None


def _cpu() -> bool:
    return not tf.config.list_physical_devices("GPU")


def _avx512() -> bool:
    return processor["AVX512F"] and os.environ.get("ONEDNN_MAX_CPU_ISA") != "AVX2"
