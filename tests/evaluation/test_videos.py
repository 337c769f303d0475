import json
import os

import numpy as np
import pandas as pd
import pytest

from ucf11lib import models
from ucf11lib.data.videos import decode
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.evaluation import saliency, videos
from ucf11lib.evaluation.videos import Classifier, predict_video


@pytest.fixture
def by(trained):
    return Classifier(trained, models.load(trained))


def test_predict_video_averages_windows(by, tmp_path, store, write_video):
    frames = np.concatenate(store.frames[:3])[:70]
    result = predict_video(write_video(tmp_path / "v.mp4", frames, "mpeg4"), by)
    assert (result.frames, result.padded, result.track.shape) == (70, 0, (2, 11))
    name, share = result.ranking()[0]
    means = result.track.mean(axis=0)
    assert (by.run.data.classes.index(name), share) == (means.argmax(), means.max())
    assert sum(dict(result.ranking()).values()) == pytest.approx(1)
    assert len(result.formatted().splitlines()) == 12
    assert result.formatted("a.mp4").splitlines()[12:] == ["video: a.mp4"]


def test_predict_video_shorter_than_a_window_plays_it_to_and_fro(by, tmp_path, store, write_video):
    path = write_video(tmp_path / "v.mpg", store.frames[0][:12])
    result = predict_video(path, by)
    order = [*range(12), *range(10, -1, -1), *range(1, 8)]
    assert result.track == pytest.approx(by(decode(path)[None, order]))
    assert (result.frames, result.padded, result.as_dict()["padded"]) == (12, 18, 18)
    assert "12 frames, 1 sequence; 18 frames added by playing it" in result.formatted()
    with pytest.raises(UserError, match=r"v.mpg: 7 frames, but at least 8 in a row are needed"):
        predict_video(write_video(tmp_path / "v.mpg", 7), by)


def test_predict_video_says_what_is_damaged(by, tmp_path, write_video):
    path = write_video(tmp_path / "v.mpg", 75)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 19 // 20])
    result = predict_video(path, by)
    assert 60 <= result.frames < 75
    assert "frames are damaged or missing" in result.formatted().splitlines()[0]
    assert result.as_dict()["damage"] == result.trouble


def test_classifier_test_flip_is_the_mean_with_the_mirror_image(by, store):
    flipped = Classifier(by.run, by.model, test_flip=True)
    frames = store.frames[:2]
    mean = (by(frames) + by(frames[:, :, :, ::-1])) / 2
    assert flipped(frames) == pytest.approx(mean)
    assert flipped(frames) == pytest.approx(flipped(frames[:, :, :, ::-1]))
    assert not np.allclose(by(frames), mean, atol=1e-6)


def test_predict_video_explain_has_the_maps_of_each_window(by, tmp_path, store, write_video):
    path = write_video(tmp_path / "v.mpg", np.concatenate(store.frames[:2]))
    result = predict_video(path, by, explain=True)
    sequences = decode(path).frames.reshape(2, 30, 64, 64, 3)
    assert result.maps == pytest.approx(saliency.grad_cam(by.model, sequences), abs=1e-3)


def test_predict_folder_has_a_row_a_file_and_the_reason_where_there_is_no_answer(
    by, tmp_path, write_video, capsys
):
    folder = tmp_path / "videos"
    write_video(folder / "a, b.mpg", 35)
    write_video(folder / "sub" / "short.mpg", 20)
    write_video(folder / "sub" / "still.mpg", 2)
    (folder / "notes.txt").write_text("no video")
    (folder / ".hidden").touch()
    (folder / "gone.mpg").symlink_to("nowhere")
    (folder / "Annotation").mkdir()
    (folder / "Annotation" / "a.xgtf").write_text("as in UCF-11")
    os.mkfifo(folder / "pipe.mpg")
    write_video(tmp_path / "elsewhere" / "v.mpg", 30)
    (folder / "sub" / "link").symlink_to(tmp_path / "elsewhere")
    table = videos.predict_folder(folder, by)
    names = ["a, b.mpg", "gone.mpg", "notes.txt", "pipe.mpg", "sub/link/v.mpg", "sub/short.mpg"]
    assert table["file"].tolist() == [*names, "sub/still.mpg"]
    assert table["frames"].tolist() == [35, 0, 0, 0, 30, 20, 2]
    assert table["prediction"].isna().tolist() == [False, True, True, True, False, False, True]
    assert table["note"][1] == "a link to nothing"
    assert "cannot be opened" in table["note"][2]
    assert table["note"][3] == "not an ordinary file"
    assert "10 frames added" in table["note"][5]
    assert table["note"][6].startswith("2 frames, but at least 8")
    one = predict_video(folder / "a, b.mpg", by).ranking()[0]
    assert (table["prediction"][0], table["confidence"][0]) == pytest.approx(one)
    with pytest.raises(RunFailed, match="4 of 7 files have no prediction"):
        videos.write_predictions(folder, by, None)
    with pytest.raises(RunFailed):
        videos.write_predictions(folder, by, str(tmp_path / "t.csv"))
    lines = [(tmp_path / "t.csv").read_text(), f"table: {tmp_path}/t.csv\n"]
    assert capsys.readouterr().out == "".join(lines)
    again = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert again["file"].tolist() == table["file"].tolist()
    with pytest.raises(FileExistsError):  # before it sees that there is nothing to predict
        videos.write_predictions(tmp_path / "none", by, str(tmp_path / "t.csv" / "t.csv"))
    with pytest.raises(UserError, match="no file in it"):
        videos.predict_folder(tmp_path / "videos" / ".none", by)


def test_predict_folder_names_folders_that_it_does_not_read(by, tmp_path, write_video):
    for name in ("a.mpg", "Annotation/b.mpg", "store/c.mpg"):
        write_video(tmp_path / "v" / name, 35)
    (tmp_path / "v/store/store.json").write_text("{}")
    table = videos.predict_folder(tmp_path / "v", by).set_index("file")
    notes = table["note"][table["prediction"].isna()].to_dict()
    assert notes == {"Annotation": "annotations", "store": "a store"}


def test_predict_json_of_a_real_video(trained, videos, main):
    video = videos / "ucf101_sample" / "Biking" / "v_Biking_g01_c01.avi"
    done = main("predict", video, "--run", trained.path, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["probabilities"]) == set(trained.data.classes)
    starts = [window["first_frame"] for window in result["windows"]]
    assert starts == list(range(0, result["frames"] - 29, 30))
    assert "synthetic data" in result["trained_on"]
    assert (result["run"], result["padded"]) == (str(trained.path), 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a video, a folder, - for stdin, or --camera"),
        (["v.mpg", "--camera", "/dev/video0"], "give a video"),
        (["v.mpg", "--out", "v.avi"], "--out v.avi: give a name that ends in .mp4"),
        ([".", "--out", "v.mp4"], "--out v.mp4: give a name that ends in .csv"),
        (["v.mpg", "--out", "old.mp4"], "--out old.mp4: exists; delete it, or give another name"),
        (["-", "--out", "v.mp4"], "--out v.mp4: a stream has no file"),
        (["v.mpg", "--explain"], "--explain needs a video and --out"),
    ],
)
def test_predict_options_that_do_not_fit(arguments, words, tmp_path, monkeypatch, capsys):
    from ucf11lib import __main__

    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.mp4").touch()
    assert __main__.main(["predict", *arguments, "--run", "r"]) == 2
    assert words in capsys.readouterr().err
