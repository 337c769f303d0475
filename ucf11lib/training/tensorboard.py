"""A run's TensorBoard events; only looking at them should need the package tensorboard."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ucf11lib.backend import tf
from ucf11lib.runs import RunConfig
from ucf11lib.training.step import learning_rate
from ucf11lib.training.trainer import Epoch

NAMES = ("loss", "accuracy", "val_loss", "val_accuracy")


class Events:
    """Writes the events of one training; a resumed one writes all anew, and has each once."""

    def __init__(self, folder: Path, config: RunConfig):
        self._steps = config.profile.steps_per_epoch
        self._rate = learning_rate(config.recipe, config.profile.epochs * self._steps)
        self._written = 0
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder))

    def add(self, history: Sequence[Epoch]) -> None:
        """Write those epochs that are not written yet; an event's step is its epoch."""
        for epoch in history[self._written :]:
            last_step = epoch.epoch * self._steps - 1
            rate = self._rate(last_step) if callable(self._rate) else self._rate
            values = {name: getattr(epoch, name) for name in NAMES} | {"learning_rate": rate}
            summary = tf.compat.v1.Summary()  # `tf.summary.scalar` needs the package
            for name, value in values.items():
                summary.value.add(tag=name, simple_value=float(value))
            with self._writer.as_default():
                tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=epoch.epoch)
        self._written = len(history)
        self._writer.flush()
