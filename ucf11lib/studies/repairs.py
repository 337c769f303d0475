"""What does each change from the 2019 recipe do, one added after the other?

Expect: the logits head takes C3D from chance to about 45 %, the sequence's own mean frame adds most
for VGG9 and CNN+LSTM, each model ends above 85 %. All runs are equally long, in the 2019 report's
batches of 16, never stopped. A seed moves split, weights, order and augmentation together.

    python -m ucf11lib study repairs --force  # 57 trainings, estimated 85 min on 2 cores
"""

from ucf11lib import figures
from ucf11lib.runs import RunConfig
from ucf11lib.studies.study import Study, added_up, curve, repaired

LENGTH = {"batch_size": 16, "steps_per_epoch": 80}
EPOCHS = {"c3d": 5, "vgg9": 6, "cnn_lstm": 6}

STUDY = Study(
    name="repairs",
    question="What does each change from the 2019 recipe do, one added after the other?",
    base=RunConfig.of(model="c3d", recipe="2019", target_accuracy=None),
    axes={
        "model": {m: LENGTH | {"model": m, "epochs": epochs} for m, epochs in EPOCHS.items()},
        "change": added_up(
            {
                # A double softmax runs to its end unwatched, as in 2019.
                "2019": lambda config, _: {"health": config.recipe.head == "logits"},
                "logits head": {"head": "logits", "health": True},
                "He initialisation": repaired("init"),
                "sequence input": repaired("inputs"),
                "rate and schedule": repaired("learning_rate", "schedule", "warmup"),
                "flip and shift": repaired("flip", "shift"),
                "label smoothing, dropout": repaired("label_smoothing", "dropout"),
            }
        ),
    },
    metrics=("accuracy", "seconds_to_75", "seconds"),
    probes={"losses": curve("loss"), "val_losses": curve("val_loss")},
    figure=lambda table, note: figures.dots(
        table, condition="change", panel="model", target=0.75, note=note
    ),
)
