from ucf11lib import jobs, leak
from ucf11lib.config import RunConfig

ROWS = [
    {"data": "synthetic", "model": "cnn_lstm", "split": "random", "seeds": [0, 1], "n_train": [8, 8], "n_val": [2, 2],
     "accuracy": [1.0, 0.9], "nearest": [0.5, 1.0]},
    {"data": "synthetic", "model": "cnn_lstm", "split": "group", "seeds": [0, 1], "n_train": [8, 8], "n_val": [2, 2],
     "accuracy": [0.7, 0.9], "nearest": [0.1, 0.2]},
]  # fmt: skip


def test_the_table_says_what_a_split_adds():
    table = leak.table(ROWS)
    assert table["above the group split"].tolist() == ["+15.0", "+0.0"]
    assert table["accuracy"].tolist() == ["95.0 % (90.0 to 100.0)", "80.0 % (70.0 to 90.0)"]
    assert table["training / held out"].tolist() == ["8 / 2", "8 / 2"]


def test_one_row_is_of_one_run_and_its_own_split():
    config = RunConfig("cnn_lstm", profile="smoke", split="video", settings="epochs=1,steps_per_epoch=1,clips=2")
    found = leak.one(config, lambda line: None)
    run = jobs.finished(config)
    assert {key: run.metrics[key] for key in ("n_train", "n_val", "accuracy", "accuracy_clip")}.items() <= found.items()
    assert 0 <= found["nearest"] <= 1
