"""The commands one after the other as a user gives them, each in a process of its own."""


def test_train_evaluate_and_predict(cli, tmp_path, store, videos):
    done = cli("train", "c3d", "--profile", "smoke", "--store", store.path, "--run", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert "held out: " in done.stdout
    assert f"run: {tmp_path / 'r'}" in done.stdout
    done = cli("evaluate", "--run", tmp_path / "r")
    assert "soccer juggling" in done.stdout, done.stderr
    clip = videos / "ucf11_sample" / "biking" / "v_biking_01" / "v_biking_01_01.mpg"
    done = cli("predict", clip, "--run", tmp_path / "r")
    assert "151 frames, 5 sequences" in done.stdout, done.stderr
