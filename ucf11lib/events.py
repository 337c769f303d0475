"""A run's TensorBoard event files: the curves of history.csv, the learning rate, and the confusion matrix at the end.

`tf.summary.write` takes what TensorBoard's own `tf.summary.scalar` would hand it, so that only looking at the files
needs that package.
"""

import io
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ucf11lib import training
from ucf11lib.backend import tf
from ucf11lib.recipes import Profile, Recipe
from ucf11lib.runs import Run

FOLDER = "tensorboard"
SCALAR, BLOBS = 1, 3  # tensorboard.compat.proto.summary_pb2.DataClass


class Events:
    """Writes the events of one training, from its history: a resumed one writes all anew, and no epoch stands twice.

    Args:
        path: the run folder.
        recipe, profile: what its learning rate is a function of.
    """

    def __init__(self, path: Path, recipe: Recipe, profile: Profile):
        self._steps, self._written = profile.steps_per_epoch, 0
        self._rate = training.learning_rate(recipe, profile.epochs * self._steps)
        shutil.rmtree(path / FOLDER, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(path / FOLDER))

    def add(self, history: Sequence[training.Epoch]) -> None:
        """Write those epochs of a training that are not written yet; the step of an event is its epoch."""
        for epoch in history[self._written :]:
            rate = self._rate(epoch.epoch * self._steps - 1) if callable(self._rate) else self._rate
            values = asdict(epoch) | {"learning_rate": float(rate)}
            for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
                self._write(name, tf.constant(values[name], tf.float32), epoch.epoch, "scalars", SCALAR)
        self._written = len(history)
        self._writer.flush()

    def finish(self, run: Run) -> None:
        """Write what the finished run has beside: epochs of before it was resumed, and the confusion matrix."""
        from ucf11lib import figures, style  # they take a second to load, and most trainings leave no events

        self.add([training.Epoch(**line) for line in run.history.to_dict("records")])
        title = style.shown_name(run.config["model"])
        figure = figures.confusion(run.confusion, run.config["classes"], note=run.note, title=title)
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        size = [str(int(pixels)) for pixels in figure.get_size_inches() * figure.dpi]
        image = tf.constant([*size, picture.getvalue()])
        self._write("confusion", image, run.metrics["epochs"], "images", BLOBS)
        self._writer.close()

    def _write(self, name: str, value: tf.Tensor, step: int, plugin: str, kind: int) -> None:
        shown_by = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
        metadata = tf.compat.v1.SummaryMetadata(plugin_data=shown_by, data_class=kind)
        with self._writer.as_default():
            tf.summary.write(name, value, step=step, metadata=metadata)
