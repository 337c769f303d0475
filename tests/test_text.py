from ucf11lib import text


def test_display_name_of_runs():
    assert text.display_name("cnn_lstm 2019") == "CNN+LSTM 2019"
    assert text.display_name("resnet") == "resnet"


def test_numbers_are_written_alike():
    assert text.percent(0.756, 1) == "75.6 %"
    assert text.mean_and_range([0.7, 0.8]) == "75.0 % (70.0 to 80.0)"
    assert text.interval([0.701, 0.812]) == "70.1 to 81.2"
    assert text.interval(None) == "none"


def test_duration_in_its_largest_unit():
    assert [text.duration(seconds) for seconds in (5, 7200, 90000)] == ["5 s", "2 h", "1 d"]
