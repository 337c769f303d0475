"""How clips are grouped by their names."""

import os

import pytest

from ucf11lib.data.videos.groups import OWN, clip_names, find_groups
from ucf11lib.errors import UserError

UCF11 = "group folders or UCF-11 names"


@pytest.mark.parametrize(
    ("names", "groups", "rule"),
    [
        (["Biking/v_Biking_g01_c02.avi"], ["Biking/g01"], "UCF-101 names"),
        (["swing/v_swing_01_02.mpg", "swing/x/y.mpg"], ["swing/v_swing_01", "swing/x"], UCF11),
        (["walking/v_walk_dog_07_03.mpg"], ["walking/v_walk_dog_07"], UCF11),
        (["walk/anna/1.mp4", "run/anna/deep/2.mp4"], ["walk/anna", "run/anna"], UCF11),
        (
            ["walk/lena_walk1.avi", "run/lena_run.avi", "wave2/ira_wave2.avi"],
            ["lena", "lena", "ira"],
            "Weizmann names",
        ),
        (["Walk/mary_ann_walk.AVI"], ["mary_ann"], "Weizmann names"),
        (["walk/lena_walk1.avi", "run/other.avi"], ["walk/lena_walk1", "run/other"], OWN),
        (["walk/lena_run.avi"], ["walk/lena_run"], OWN),
        (
            ["Biking/v_Biking_g01_c02.avi", "Biking/mine.avi"],
            ["Biking/v_Biking_g01_c02", "Biking/mine"],
            OWN,
        ),
        (["a+b/eva_a+b.avi"], ["eva"], "Weizmann names"),
    ],
)
def test_find_groups_first_rule_that_fits_all_names(names, groups, rule):
    assert find_groups(names) == (groups, rule)


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"person(\d+)", ["01", "02"]),
        (r"(\w+)/person(?P<group>\d+)", ["01", "02"]),
        (r"_(d\d)\.avi$", ["d1", "d1"]),
    ],
)
def test_find_groups_pattern(pattern, groups):
    names = ["boxing/person01_d1.avi", "jogging/person02_d1.avi"]
    assert find_groups(names, pattern) == (groups, f"--group-pattern {pattern}")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("person(", r"person\(: .*; give a regular expression"),
        (r"person\d+", r"invalid group reference.*; give a regular expression"),
        (r"subject(\d+)", r"2 of 2 clips, the first: boxing/person01\.avi"),
        (r"jogging/person(\d+)", r"1 of 2 clips, the first: boxing/person01\.avi"),
        (r"boxing/person(\d+)|jogging", r"1 of 2 clips, the first: jogging/person02\.avi"),
    ],
)
def test_prepare_bad_group_pattern_before_decoding(tmp_path, pattern, message, prepare_videos):
    for name in ("boxing/person01.avi", "jogging/person02.avi"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_bytes(b"never opened")
    with pytest.raises(UserError, match=message) as caught:
        prepare_videos(tmp_path / "s", tmp_path / "in", group_pattern=pattern)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["in"]


def test_prepare_without_groups_warns_in_one_line(tmp_path, capfd, write_video, prepare_videos):
    for name in ("a/one.mpg", "a/two.mpg", "b/one.mpg"):
        write_video(tmp_path / "in" / name)
    store = prepare_videos(tmp_path / "s", tmp_path / "in")
    assert list(store.groups) == ["a/one", "a/two", "b/one"]
    assert store.info.origin["groups"] == "each clip its own"
    assert "--group-pattern" in capfd.readouterr().err.strip().splitlines()[0]
    store = prepare_videos(tmp_path / "t", tmp_path / "in", group_pattern="/(.*)[.]")
    assert list(store.groups) == ["one", "two", "one"]
    assert store.info.origin["groups"] == "--group-pattern /(.*)[.]"


@pytest.mark.parametrize("flat", [False, True])
def test_find_groups_of_all_ucf11(flat, videos):
    names = (videos.parent / "reference/ucf11_clip_names.txt").read_text().split()
    truth = [name.rsplit("/", 1)[0] for name in names]
    files = [f"{cls}/{clip}.mpg" if flat else f"{cls}/{group}/{clip}.mpg" for cls, group, clip in
             (name.split("/") for name in names)]  # fmt: skip
    assert len(files) == 1600
    assert find_groups(files) == (truth, UCF11)
    assert len(set(truth)) == 275


def test_clip_names_differ_and_are_utf8():
    assert clip_names(["a/x.mpg", "a/\u00e9.y.avi"]) == ["a/x", "a/\u00e9.y"]
    with pytest.raises(UserError, match=r"a/x\.avi and a/x\.mpg: one clip"):
        clip_names(["a/x.avi", "a/x.mpg"])
    with pytest.raises(UserError, match=r"'a/caf\\udce9\.mpg': not a name in UTF-8"):
        clip_names(["a/caf\udce9.mpg"])
