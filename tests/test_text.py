import pytest

from ucf11lib import text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text.display_name("cnn_lstm 2019"), "CNN+LSTM 2019"),
        (text.display_name("resnet"), "resnet"),
        (text.display_name("selected + c3d"), "selected + C3D"),
        (text.percent(0.756, 1), "75.6 %"),
        (text.mean_and_range([0.7, 0.8]), "75.0 % (70.0 to 80.0)"),
        (text.interval([0.701, 0.812]), "70.1 to 81.2"),
        (text.interval(None), "none"),
        ([text.duration(seconds) for seconds in (5, 7200, 90000)], ["5 s", "2 h", "1 d"]),
        ([text.duration(seconds) for seconds in (59.9, 3599, 86399)], ["1 min", "1 h", "1 d"]),
    ],
)
def test_names_and_numbers_are_written_alike(written, expected):
    assert written == expected
