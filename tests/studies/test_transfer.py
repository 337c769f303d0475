import numpy as np
import pytest

from ucf11lib.data.splits import divide
from ucf11lib.studies import beyond, transfer


@pytest.fixture(scope="module")
def small(store, tmp_path_factory):
    """Heads trained for an epoch on small features of a small store, and their answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UCF11_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setattr(transfer, "SIZE", 32)
        patch.setattr(transfer, "EPOCHS", 1)
        parts = divide(store, "group")
        one = transfer.Transfer(store, seed=0)
        yield one, parts, one.answers(parts)


@pytest.mark.slow
def test_answers_are_probabilities_and_fusion_their_mean(small):
    _, parts, answers = small
    assert set(answers) == set(transfer.METHODS)
    for prob in answers.values():
        assert prob.shape == (len(parts.validation), 11)
        np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)
    single = [answers["LSTM", (stream,)] for stream in ("frames", "differences")]
    np.testing.assert_allclose(answers["LSTM", ("frames", "differences")], np.mean(single, axis=0))


@pytest.mark.slow
def test_linear_head_learns_what_the_features_show(small):
    one, parts, _ = small
    train = transfer.features(one.store, one.network, "frames")[parts.train].astype(np.float32)
    labels = one.store.labels[parts.train]
    head = transfer.linear(train, labels)
    assert (head.answer(train).argmax(axis=1) == labels).mean() > 0.95
    assert head.weights == 11 * (2 * 1280 + 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", transfer.METHODS[1::3] + transfer.METHODS[2:3])
def test_predict_of_frames_equals_the_answers_from_the_cache(small, method):
    one, parts, answers = small
    prob = one.predict(method, one.store.take(parts.validation[:3]))
    np.testing.assert_allclose(prob, answers[method][:3], atol=0.02)  # the cache is float16


@pytest.mark.slow
def test_cost_counts_the_frozen_network_for_each_stream_and_mirror_image(small):
    one, _, _ = small
    frames = transfer.FRAMES * sum(transfer.layer_flops(one.network).values())
    single, both = (one.cost(("linear", streams)) for streams in transfer.FUSIONS[1:])
    assert single["flops"] == 2 * (frames + 2 * 11 * 2 * 1280)
    assert both["flops"] == 2 * single["flops"]
    assert both["weights"] - single["weights"] == 11 * (2 * 1280 + 1)


@pytest.mark.slow
def test_select_reads_no_held_out_sequence(small, monkeypatch):
    one, parts, _ = small
    seen = []

    def answers(inner):
        seen.extend([inner.train, inner.validation])
        labels = one.store.labels[inner.validation]
        right = np.eye(11)[labels] * 0.5 + 0.5 / 11
        uniform = np.full((len(labels), 11), 1 / 11)
        return dict.fromkeys(transfer.METHODS, uniform) | {transfer.METHODS[4]: right}

    monkeypatch.setattr(one, "answers", answers)
    method, fitted = one.select(parts)
    assert method == transfer.METHODS[4]
    assert fitted < 1  # all are right, with little confidence
    assert np.isin(np.concatenate(seen), parts.train).all()


def test_fused_is_the_mean_by_clip():
    a = {"y_true": np.array([0, 0, 1]), "clips": np.array(["x", "x", "y"])}
    a |= {"groups": np.array(["g", "g", "h"]), "y_prob": np.array([[1, 0], [0.5, 0.5], [0.2, 0.8]])}
    b = {key: value[[2, 0]] for key, value in a.items()}
    both = beyond.fused(a, b)
    assert both["clips"].tolist() == ["x", "y"]
    np.testing.assert_allclose(both["y_prob"], [[0.875, 0.125], [0.2, 0.8]])
    assert beyond.measured("m", both)["accuracy_clip"] == 1
