import numpy as np


def test_confusion_counts_and_shares(inputs, texts):
    axes, bar = inputs.draw("confusion").axes
    assert texts(axes.texts) == ["3\n75 %", "1\n25 %", "", "", "", "2\n100 %"]
    assert texts(axes.get_xticklabels()) == list(inputs.CLASSES)
    assert texts(axes.get_yticklabels()) == ["basketball (4)", "biking (0)", "golf swing (2)"]
    assert axes.yaxis_inverted()
    assert bar.get_ylabel() == "share of the true class"
    shares = axes.collections[0].get_array().reshape(3, 3)
    np.testing.assert_allclose(shares[0], [0.75, 0.25, 0])
    empty = np.ma.getmaskarray(shares).all(axis=1)  # a class without sequences
    np.testing.assert_array_equal(empty, [False, True, False])


def test_per_class_has_a_bar_a_model_in_every_row(inputs, texts):
    figure = inputs.draw("per_class")
    (axes,) = figure.axes
    for bars, values in zip(axes.containers, inputs.PER_CLASS.values(), strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in bars], np.nan_to_num(values))
    assert texts(axes.texts)[:6] == ["100 %", "50 %", "not in validation", "0 %", "20 %", "30 %"]
    assert texts(axes.get_yticklabels()) == list(inputs.CLASSES)
    middle = [bar.get_y() + bar.get_height() / 2 for bar in axes.containers[1]]
    np.testing.assert_allclose(middle, [0, 1, 2], atol=1e-9)
    assert texts(figure.legends[0].get_texts()) == ["C3D", "VGG9", "resnet"]
