"""Keras's convolutions with gradients that oneDNN computes sooner; all numbers are the same but for rounding.

Measured on two cores with AVX512, batch 16, full width, unless it says otherwise. What holds for oneDNN
only is left out where there is a GPU.
"""

from ucf11lib.backend import keras, tf

# With so many channels on both sides, the sums that the gradient of a 2D kernel needs leave a processor's cache.
WIDE = 512
PARTS = 4
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


@tf.custom_gradient
def convolve_wide(x: tf.Tensor, kernel: tf.Tensor):
    """Convolve with stride 1 and padding "same": (N, H, W, C) * (h, w, C, D) -> (N, H, W, D).

    The kernel's gradient is computed for a part of the outputs at a time: 0.74 of the time for VGG9's last one.
    """
    how = {"strides": [1, 1, 1, 1], "padding": "SAME"}

    def gradient(upstream):
        sizes = (*kernel.shape[:3], kernel.shape[3] // PARTS)
        parts = [tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=sizes, out_backprop=part, **how)
                 for part in tf.split(upstream, PARTS, axis=-1)]  # fmt: skip
        before = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, **how)
        return before, tf.concat(parts, axis=-1)

    return tf.nn.conv2d(x, kernel, **how), gradient


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
        x = convolve_wide(x, kernel) if min(kernel.shape[-2:]) >= WIDE and _cpu() else self.convolution_op(x, kernel)
        return add_bias(x, tf.convert_to_tensor(self.bias))


@keras.saving.register_keras_serializable("ucf11lib")
class Conv3D(keras.layers.Conv3D):
    """The same in three dimensions, by `convolve_narrow` where that is sooner; the kernel's depth must be odd."""

    def call(self, x):
        """Convolve; (N, T, H, W, C) -> (N, T, H, W, filters)."""
        kernel = tf.convert_to_tensor(self.kernel)
        x = convolve_narrow(x, kernel) if kernel.shape[-1] <= NARROW and _cpu() else self.convolution_op(x, kernel)
        return add_bias(x, tf.convert_to_tensor(self.bias))


def _cpu() -> bool:
    return not tf.config.list_physical_devices("GPU")
