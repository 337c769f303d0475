"""Adam (Kingma and Ba, arXiv:1412.6980) as TensorFlow's one operation a weight.

Keras composes the update of a dozen operations. Each is traced: with one instead, a network's first
step takes about two thirds of the processor seconds. And each is a pass over memory: an update of
the full C3D's 40 million weights takes 0.06 s instead of 0.21 (both measured with AVX2, on two
cores). Rounding differs in the last bit.
"""

from __future__ import annotations  # TensorFlow may be missing, see `backend`

from ucf11lib.backend import keras, tf


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` without AMSGrad, and with its state: checkpoints fit both."""

    def update_step(self, gradient, variable, learning_rate) -> None:
        """Change `variable` and its two moments in place; elsewhere than on TensorFlow as Keras."""
        if keras.backend.backend() != "tensorflow":
            return super().update_step(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1, beta_2 = (tf.constant(beta, variable.dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )
