"""Does the 2019 report's protocol give the 2019 report's results?

Recipe 2019 with its stop at 75 %, on 160 sequences held out at random as in 2019; then on held-out
groups. The report tells the protocol of CNN+LSTM; for C3D and VGG9 it is our reading. VGG9
also with its frames' results averaged ("it failed to converge"), in three forms, and at half width.
Else the quick profile's widths; epochs of 40 batches, not 256; no health check stops a double
softmax.

Expect: with the random split VGG9 and CNN+LSTM stop within their eight epochs, VGG9 at half width
is then at 60 to 75 %; C3D and the mean of softmaxes, which are double softmaxes, never stop.

    python -m ucf11lib study protocol_2019 --force --workers 2  # 33 trainings, 200 min with AVX2
"""

from dataclasses import replace

from ucf11lib import figures
from ucf11lib.runs import RunConfig
from ucf11lib.runs.recipes import named_profile
from ucf11lib.studies.study import Axis, Changes, Study, curve, over

REPORTED: dict[str, Changes] = {
    "c3d": {"epochs": 2, "health": False},
    "vgg9": {"model": "vgg9"},
    "cnn_lstm": {"model": "cnn_lstm"},
}
VGG9_MEAN = {"model": "vgg9_mean", "width": named_profile("quick", "vgg9").width}
AVERAGED: dict[str, Changes] = {
    "vgg9 mean of logits": VGG9_MEAN,
    "vgg9 mean of softmaxes": VGG9_MEAN | {"head": "softmax", "health": False},
    "vgg9 log of mean softmax": VGG9_MEAN | {"model": "vgg9_log_mean"},
}
WIDER: dict[str, Changes] = {"vgg9 half width": {"model": "vgg9", "width": 0.5}}
CURVES = {"losses": "loss", "accuracies": "accuracy"}
CURVES |= {"val_losses": "val_loss", "val_accuracies": "val_accuracy"}


def draw(table, note):
    """Draw losses and accuracies over epochs, a line a run, a panel a model."""
    long = table.explode(list(CURVES)).reset_index(names="row")
    long = long.rename(columns={"losses": "training loss", "val_accuracies": "held-out accuracy"})
    long["epoch"] = long.groupby("row").cumcount() + 1
    columns = {"x": "epoch", "y": ("training loss", "held-out accuracy"), "panel": "model"}
    options = {"line": "split", "log": "training loss", "target": 0.75}
    return figures.lines(long, **columns, **options, note=note)


GROUP = Study(
    name="protocol_2019",
    question="Does the 2019 report's protocol give the 2019 report's results?",
    base=RunConfig.of(
        model="c3d", recipe="2019", precision="float32", steps_per_epoch=40, epochs=8
    ),
    axes={"split": over("split", ("group",)), "model": REPORTED | WIDER},
    seeds=(0, 1, 2),
    metrics=("accuracy", "accuracy_batch_mean", "epochs", "seconds_to_75", "sequences_to_75"),
    probes={label: curve(column) for label, column in CURVES.items()},
    figure=draw,
)
RANDOM: dict[str, Axis] = {
    "split": over("split", ("random",)),
    "model": REPORTED | AVERAGED | WIDER,
}
STUDY = replace(GROUP, axes=RANDOM, then=(GROUP,))
