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
# Without AVX512, matrix products for so many channels are faster than oneDNN's gradient of a 2D kernel this small.
ROWS, COLUMNS, SMALL = 64, 128, 3
PICTURES = 8  # parts of a batch, so that a part's copies stay in the cache
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

    `of_kernel` computes the kernel's gradient: `by_outputs` or `by_rows`.
    """
    how = {"strides": [1, 1, 1, 1], "padding": "SAME"}

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(upstream):
            before = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, **how
            )
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


def by_rows(x: tf.Tensor, upstream: tf.Tensor, sizes: tf.TensorShape) -> tf.Tensor:
    """Compute a kernel's gradient as a matrix product for each of its rows, without AVX512 in 0.55 to 0.9 of the time.

    A column of the first factor holds all that a row of the kernel meets at one place, (w C), of the second the
    gradients of the outputs there.
    """
    (height, width, channels, outputs), n = sizes, tf.shape(x)[0]
    pad = [[0, 0], *([(size - 1) // 2, size // 2] for size in (height, width)), [0, 0]]
    total = tf.zeros((height, outputs, width * channels), x.dtype)
    for part in range(PICTURES):
        of = slice(n * part // PICTURES, n * (part + 1) // PICTURES)
        # Else the copies of all parts are made before the first product.
        with tf.control_dependencies([total]), tf.name_scope("by_rows"):
            padded, gradients = tf.pad(x[of], pad), tf.reshape(upstream[of], (-1, outputs))
            met = tf.concat([padded[:, :, start : start + x.shape[2]] for start in range(width)], axis=-1)
            rows = [tf.reshape(met[:, start : start + x.shape[1]], (-1, width * channels)) for start in range(height)]
            total += tf.stack([tf.linalg.matmul(gradients, row, transpose_a=True) for row in rows])
    return tf.reshape(tf.transpose(total, (0, 2, 1)), sizes)


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
    return by_rows if processor["AVX2"] and small and channels >= ROWS and outputs >= COLUMNS else None


def _cpu() -> bool:
    return not tf.config.list_physical_devices("GPU")


def _avx512() -> bool:
    return processor["AVX512F"] and os.environ.get("ONEDNN_MAX_CPU_ISA") != "AVX2"
