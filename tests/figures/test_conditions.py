import matplotlib.colors
import numpy as np

from ucf11lib.figures import style


def test_conditions_have_a_dot_a_model_hollow_where_all_answers_are_one(inputs, texts):
    tables = inputs.CONDITIONS
    figure = inputs.draw("conditions", chance=1 / 3)
    (axes,) = figure.axes
    names = texts(axes.get_yticklabels())
    assert names == ["as they are", "frames shuffled", "one frame"]
    drawn = zip(axes.collections[::2], axes.collections[1::2], style.colours(tables), strict=True)
    for table, (bars, points, colour) in zip(tables.values(), drawn, strict=True):
        np.testing.assert_allclose(points.get_offsets()[:, 0], table["accuracy"])
        ends = [bar[:, 0] for bar in bars.get_segments()]
        np.testing.assert_allclose(ends, table[["low", "high"]])
        inside = [matplotlib.colors.to_hex(face).upper() for face in points.get_facecolors()]
        assert inside == ["#FFFFFF" if one == 1 else colour for one in table["answers"]]
    assert texts(axes.texts) == ["chance 33 %"]
    legend = texts(figure.legends[0].get_texts())
    assert legend == ["C3D", "CNN+LSTM", "one answer for all"]
