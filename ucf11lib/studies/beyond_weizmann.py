"""What do features from ImageNet reach on real people that no head has seen?

The methods of the study `beyond` on Weizmann, each subject left out once: heads on frozen features,
networks from scratch with the settings that each fold selects on its inner split, and both fused.
Candidates of another stride are validated on other inner subjects in six of the nine folds.
The networks are CNN+LSTM, the best of the report's three there, and the three later ones; their
epochs are chosen so that trainings take about as long as CNN+LSTM's. Of 64, 96 and 128 pixels, 96
had the highest accuracy on the inner splits (the linear head on differences); the lag of the
differences was not varied.

Expect: about 95 % with differences of frames, 70 to 85 % with frames alone, 60 to 90 % from
scratch.

    python -m ucf11lib study beyond_weizmann --force --videos DIR  # 144 trainings, 110 min, 2 cores
"""

from dataclasses import replace

from ucf11lib.runs import RunConfig
from ucf11lib.studies import beyond, real_video
from ucf11lib.studies.folds import fold_axis, nested
from ucf11lib.studies.study import Axis, weizmann

SHORT = RunConfig.of(model="cnn_lstm", batch_size=16, steps_per_epoch=80, epochs=6)
WEIZMANN: Axis = {"Weizmann": lambda config, videos: {**weizmann(config, videos), "stride": 10}}
CANDIDATES = ("", "stride=10,dropout=0.5", "stride=5,dropout=0.5")
EPOCHS = {"cnn_lstm": 6, "r2plus1d": 5, "tsm": 4, "vivit": 3}
SUBJECTS_OUT: dict[str, Axis] = {
    "data": {"Weizmann": weizmann},
    "model": {model: {"model": model, "epochs": epochs} for model, epochs in EPOCHS.items()},
    "fold": fold_axis(real_video.SUBJECTS),
}
STUDY = nested(
    replace(
        real_video.ONE_SPLIT,
        name="beyond_weizmann",
        base=SHORT,
        question="What do features from ImageNet reach on real people that no head has seen?",
        axes=SUBJECTS_OUT,
        then=(beyond.compared(SHORT, WEIZMANN),),
        figure=beyond.draw,
    ),
    CANDIDATES,
)
