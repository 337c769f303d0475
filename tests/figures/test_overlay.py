import numpy as np
import pytest

from ucf11lib.figures import overlay

RANKING = [("swing", 0.75), ("biking", 0.125), ("a" * 60, 0.0625), ("diving", 0.0625)]


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((64, 64), (320, 320)),
        ((240, 352), (240, 352)),
        ((145, 181), (258, 320)),
        ((2000, 16), (16384, 132)),  # what H.264 can hold
    ],
)
def test_overlay_is_at_least_320_wide_where_it_can_with_even_sides(size, drawn):
    image = overlay(np.full((*size, 3), 90, np.uint8), "swing 75 %", "1.0 s", RANKING)
    assert (image.shape, image.dtype) == ((*drawn, 3), np.uint8)
    assert (image[drawn[0] // 2] == 90).all()  # the middle is the picture's own


def test_overlay_bars_are_as_long_as_the_shares():
    image = overlay(np.zeros((240, 320, 3), np.uint8), "b" * 100_000, "1.0 s", RANKING)
    sky = (image == (86, 180, 233)).all(axis=2)
    lengths = [rows.any(axis=0).sum() for rows in np.split(sky[-51:], 3)]
    assert lengths == pytest.approx([0.75 * 112, 0.125 * 112, 0.0625 * 112], abs=1.5)
    assert image[:17].any()


def test_overlay_heat_colours_where_it_is_high_and_greys_the_rest():
    heat = np.zeros((64, 64), np.float32)
    heat[24:32, 40:48] = 1
    plain = np.broadcast_to(np.uint8([200, 60, 60]), (320, 320, 3))
    image = overlay(plain, "", "", [], heat).astype(int)
    assert np.ptp(image[140, 220]) > 150
    assert np.ptp(image[100, 100]) <= 1


def test_overlay_of_names_with_line_ends():
    picture = np.zeros((64, 64, 3), np.uint8)
    shown = overlay(picture, "new\nline", "1.0 s", [("new\nline", 0.5), ("a\rb", 0.5)])
    in_one = overlay(picture, "new line", "1.0 s", [("new line", 0.5), (r"a\rb", 0.5)])
    assert np.array_equal(shown, in_one)
