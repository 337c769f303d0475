"""Keras's 2D convolution with gradients that oneDNN computes sooner; all numbers are the same but for rounding.

Measured on two cores with AVX512, batch 16, full width. What holds for oneDNN only is left out where there is a GPU.
"""

from ucf11lib.backend import keras, tf

# With so many channels on both sides, the sums that the gradient of a 2D kernel needs leave a processor's cache.
WIDE = 512
PARTS = 4


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


@keras.saving.register_keras_serializable("ucf11lib")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` of stride 1 and padding "same", by `add_bias`, and by `convolve_wide` where that is sooner.

    There is none in three dimensions: TensorFlow keeps that bias's gradient apart, and a wide kernel is as fast whole.
    """

    def call(self, x):
        """Convolve; (N, H, W, C) -> (N, H, W, filters)."""
        kernel = tf.convert_to_tensor(self.kernel)
        wide = min(kernel.shape[-2:]) >= WIDE and not tf.config.list_physical_devices("GPU")
        x = convolve_wide(x, kernel) if wide else self.convolution_op(x, kernel)
        return add_bias(x, tf.convert_to_tensor(self.bias))
