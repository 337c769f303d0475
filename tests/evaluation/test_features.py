import numpy as np
import pytest

from ucf11lib import paths
from ucf11lib.backend import keras
from ucf11lib.data.sources import prune
from ucf11lib.errors import UserError
from ucf11lib.evaluation import features


@pytest.fixture
def network():
    """Features of a picture: its mean red, green and blue."""
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, outputs, name="mean-colour")


def test_pictures_are_late_frames_and_differences_around_grey():
    frames = np.random.default_rng(0).integers(0, 256, (2, 30, 4, 4, 3), np.uint8)
    shown = features.pictures(frames, "frames")
    assert shown.shape == (2, 8, 4, 4, 3)
    np.testing.assert_array_equal(shown[:, [0, -1]], frames[:, [3, 29]])
    moved = features.pictures(frames, "differences")
    expected = 127 + frames[:, 29].astype(float) - frames[:, 26]
    np.testing.assert_array_equal(moved[:, -1], expected)
    assert (features.pictures(frames[:, :1], "differences") == 127).all()


def test_features_are_computed_once_and_alike(store, network, monkeypatch, tmp_path):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path))
    first = features.features(store, network, "frames", mirrored=True)
    shown = features.pictures(store.take(np.array([7])), "frames")[0]
    np.testing.assert_allclose(first[7], shown.mean(axis=(1, 2)), rtol=1e-3)
    (path,) = tmp_path.glob("features-*-mean-colour-*-frames-mirrored.npy")
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(features, "_computed", None)
        np.testing.assert_array_equal(features.features(store, network, "frames", True), first)
    path.unlink()
    features.features(store, network, "frames", mirrored=True)
    assert path.read_bytes() == before
    assert prune(tmp_path) == []
    assert path.exists()
    monkeypatch.setattr(features, "code_digest", lambda *places: "other")
    features.features(store, network, "frames", mirrored=True)
    assert len(list(tmp_path.glob("features-*"))) == 2


def test_features_interrupted_leaves_nothing_and_damaged_is_one_line(
    store, network, tmp_path, monkeypatch
):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path))

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(features, "pictures", interrupted)
        with pytest.raises(KeyboardInterrupt):
            features.features(store, network, "differences")
    assert not list(paths.data_dir().glob("*features-*-differences.npy"))
    features.features(store, network, "differences")
    (path,) = paths.data_dir().glob("features-*-differences.npy")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"damaged .*; delete it"):
        features.features(store, network, "differences")
