"""What a run answered: `predictions.npz`, and the confusion after each epoch."""

import io
import shutil
import zipfile

import numpy as np
import pytest

from ucf11lib.errors import UserError
from ucf11lib.runs import Run


def test_confusions_after_each_epoch(trained, tmp_path):
    first, last = trained.confusions.values()
    assert list(trained.confusions) == [1, 2]
    assert first.sum() == last.sum()
    assert np.trace(first) / first.sum() == trained.history["val_accuracy"].iloc[0]
    assert np.array_equal(last, trained.confusion)
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    saved = dict(trained.predictions)
    y_pred = saved.pop("y_pred")
    np.savez(run.path / "predictions.npz", **saved)  # as an older version wrote it
    assert list(run.confusions) == [2]
    for damage in (y_pred[:, 1:], y_pred.astype(float), y_pred + 11):
        np.savez(run.path / "predictions.npz", **saved, y_pred=damage)
        with pytest.raises(UserError, match=r"predictions\.npz: damaged \(.*\); train again"):
            _ = Run(run.path).confusions


@pytest.mark.parametrize("packed", [False, True])
def test_predictions_that_promise_more_than_the_file_holds(trained, tmp_path, packed):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    header = io.BytesIO()
    about = {"descr": "<f8", "fortran_order": False, "shape": (1 << 37,)}
    np.lib.format.write_array_header_1_0(header, about)
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(run.path / "predictions.npz", "w", method) as archive:
        archive.writestr("index.npy", header.getvalue() + bytes(50_000_000 * packed))
    with pytest.raises(UserError, match=r"predictions.npz: damaged \(.*\); train again"):
        _ = run.predictions


@pytest.mark.parametrize("change", ["negative", "twice"])
def test_predictions_index_names_each_sequence_once(trained, tmp_path, change):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    index = run.predictions["index"] * (-1 if change == "negative" else 0)
    np.savez(run.path / "predictions.npz", **trained.predictions | {"index": index})
    with pytest.raises(UserError, match="an index that is negative or occurs twice"):
        _ = Run(run.path).predictions


def test_predictions_are_probabilities(trained, tmp_path):
    run = Run(shutil.copytree(trained.path, tmp_path / "r"))
    saved = dict(trained.predictions)
    np.savez(run.path / "predictions.npz", **saved | {"y_prob": -saved["y_prob"]})
    with pytest.raises(UserError, match=r"predictions\.npz: damaged \(answers that are no prob"):
        _ = run.predictions
