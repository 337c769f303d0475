import matplotlib.colors
import numpy as np
from matplotlib.text import Text

from ucf11lib.figures import frames, style

PITCH = 16 + frames.GAP


def test_film_strips_show_the_frames_of_their_numbers(inputs, texts):
    rows = inputs.draw("film_strips").axes
    assert [axes.get_ylabel() for axes in rows] == list(inputs.CLASSES)
    numbers = (1, 6, 11, 15, 20, 25, 30)
    assert texts(rows[0].get_xticklabels()) == [str(number) for number in numbers]
    strip = rows[2].images[0].get_array()
    assert strip.shape == (16, 7 * PITCH - frames.GAP, 3)
    for i, number in enumerate(numbers):
        shown = strip[:, i * PITCH : i * PITCH + 16]
        np.testing.assert_array_equal(shown, inputs.FRAMES[2, number - 1])


def test_examples_mark_right_and_wrong_by_word_and_colour(inputs):
    titles = ["a -> a", "a -> b", "b -> b"]
    rows = inputs.draw("examples", titles=titles).axes
    marked = ["right: a -> a", "wrong: a -> b", "right: b -> b"]
    assert [axes.get_title(loc="left") for axes in rows] == marked
    shown = [text for axes in rows for text in axes.findobj(Text) if "->" in text.get_text()]
    first, wrong, last = (text.get_color() for text in shown)
    assert first == last != wrong


def test_saliency_of_a_single_frame(inputs):
    one = {"frames": inputs.FRAMES[:, :1], "maps": inputs.HEAT[:, :1]}
    figure = inputs.draw("saliency", **one, norms=np.ones((3, 1)), reference=np.ones(1))
    assert [len(axes.containers[0]) for axes in figure.axes[:3]] == [1, 1, 1]


def test_saliency_lies_over_its_frame_and_its_bars_under_theirs(inputs):
    axes = inputs.draw("saliency", columns=4).axes[1]
    grey, hot = (image.get_array() for image in axes.images)
    np.testing.assert_array_equal(grey[:, 3 * PITCH :], np.rint(inputs.FRAMES[1, 29] @ frames.LUMA))
    np.testing.assert_array_equal(hot[:, 3 * PITCH :], inputs.HEAT[1, 29])
    assert not hot[:, : 3 * PITCH].any()
    opacity = axes.images[1].get_alpha()
    np.testing.assert_allclose(opacity, frames.MAX_OPACITY * hot, rtol=1e-6)
    bars = axes.containers[0]
    heights = np.array([-bar.get_height() for bar in bars])
    np.testing.assert_allclose(heights / heights.sum(), inputs.NORMS[1])
    dark = [matplotlib.colors.same_color(bar.get_facecolor(), style.BLUE) for bar in bars]
    assert np.flatnonzero(dark).tolist() == [0, 10, 19, 29]
    centres = [bars[i].get_x() + bars[i].get_width() / 2 for i in (0, 29)]
    np.testing.assert_allclose(centres, [7.5, 3 * PITCH + 7.5])
    line = axes.patches[-1].get_data().values  # here the reference has the same norms
    np.testing.assert_allclose(line, [bar.get_y() + bar.get_height() for bar in bars])
