"""How clips are grouped by their names."""

import os
import re

import pytest

from ucf11lib.data.videos.groups import OWN, clip_names, find_groups, parts_of_a_split
from ucf11lib.errors import UserError

UCF11 = "group folders or UCF-11 names"
PERSONS = ["boxing/person01_d1.avi", "jogging/person02_d1.avi"]


@pytest.mark.parametrize(
    ("names", "groups", "rule"),
    [
        (["Biking/v_Biking_g01_c02.avi"], ["Biking/g01"], "UCF-101 names"),
        (["swing/v_swing_01_02.mpg", "swing/x/y.mpg"], ["swing/v_swing_01", "swing/x"], UCF11),
        (["walking/v_walk_dog_07_03.mpg"], ["walking/v_walk_dog_07"], UCF11),
        (["walk/anna/1.mp4", "run/anna/deep/2.mp4"], ["walk/anna", "run/anna"], UCF11),
        (["a/lena_a1.avi", "b/lena_b.avi", "w2/ira_w2.avi"], ["lena", "lena", "ira"], "Weizmann"),
        (["Walk/mary_ann_walk.AVI"], ["mary_ann"], "Weizmann names"),
        (["a+b/eva_a+b.avi"], ["eva"], "Weizmann names"),
        (["walk/lena_walk1.avi", "run/other.avi"], ["walk/lena_walk1", "run/other"], OWN),
        (["walk/lena_run.avi"], ["walk/lena_run"], OWN),
        (["B/v_B_g01_c02.avi", "B/mine.avi"], ["B/v_B_g01_c02", "B/mine"], OWN),
    ],
)
def test_find_groups_first_rule_that_fits_all_names(names, groups, rule):
    found = find_groups(names)
    assert found[0] == groups
    assert found[1].startswith(rule)


def test_find_groups_are_no_parts_of_a_split():
    names = [f"walk/{part}/anna/{part}.mp4" for part in ("train", "test")]
    with pytest.raises(UserError, match=r"folders test, train are parts of a split, not groups; t"):
        find_groups(names)
    assert find_groups(names, r"/(\w+)/\w+\.mp4")[0] == ["anna", "anna"]
    assert find_groups([f"a/set{n}/1.mp4" for n in (1, 2)])[0] == ["a/set1", "a/set2"]
    sessions = ["session_a", "session_b"]
    assert find_groups([f"a/{n}/1.mp4" for n in sessions])[0] == [f"a/{n}" for n in sessions]


@pytest.mark.parametrize(
    "names",
    [
        "trainlist01 testlist01",
        "train unseen",
        "seen unseen",
        "train unlabeled",
        "entrenamiento prueba",
        "Trainingsdaten Testdaten",
        "train test_private",
        "train.old test.new",
        "x-train y-test",
        "trainA trainB testA",
        "session1 session2",
        "subset1 subset2",
        "part_a part_b",
        "fold_a fold_b",
    ],
)
def test_parts_of_a_split_are_all_of_these(names):
    assert parts_of_a_split(names.split()) == sorted(names.split())


@pytest.mark.parametrize(
    "names",
    [
        "bus train",
        "bus train trains",
        "train_arriving train_leaving",
        "training_dog walking_dog",
        "test_drive train_ride walk",
        "invalid_squat valid_squat",
        "parts sets",
        "set shot",
    ],
)
def test_parts_of_a_split_are_no_classes_with_such_words(names):
    assert parts_of_a_split(names.split()) == []


def test_find_groups_of_another_case_or_form_of_unicode_are_one():
    names = [
        "walk/lena_walk.avi",
        "run/Lena_run.avi",
        "walk/José_walk.avi",
        "run/JOSE\u0301_run.avi",
    ]
    assert find_groups(names)[0] == ["lena", "lena", "José", "José"]
    assert find_groups(["a/v_a_g01_c1.avi", "a/v_a_G01_c2.avi"])[0] == ["a/g01", "a/g01"]
    assert find_groups(["a/x.avi", "a/X.avi"])[0] == ["a/x", "a/X"]  # each clip its own


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"person(\d+)", ["01", "02"]),
        (r"(\w+)/person(?P<group>\d+)", ["01", "02"]),
        (r"_(d\d)\.avi$", ["d1", "d1"]),
    ],
)
def test_find_groups_pattern(pattern, groups):
    assert find_groups(PERSONS, pattern) == (groups, f"--group-pattern {pattern}")


def test_find_groups_pattern_that_takes_forever():
    with pytest.raises(UserError, match=r"no answer in 1 s; give one without nested repetitions"):
        find_groups([f"a/{'a' * 60}!.mp4"], r"(a|aa)+$")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("person(", r"person\(: .*; give a regular expression"),
        ("(" * 999, r"maximum recursion depth exceeded.*; give a regular expression"),
        (r"person\d+", r"no such group; give a regular expression"),
        (r"subject(\d+)", r"2 of 2 clips, the first: boxing/person01_d1\.avi"),
        (r"jogging/person(\d+)", r"1 of 2 clips, the first: boxing/person01_d1\.avi"),
        (r"boxing/person(\d+)|jogging", r"1 of 2 clips, the first: jogging/person02_d1\.avi"),
    ],
)
def test_prepare_bad_group_pattern_before_decoding(tmp_path, pattern, message, prepare_videos):
    for name in PERSONS:
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
    groups = [name.rsplit("/", 1)[0] for name in names]
    files = [f"{name}.mpg" for name in names]
    if flat:
        files = [re.sub("/.*/", "/", file) for file in files]
    assert find_groups(files) == (groups, UCF11)
    assert (len(files), len(set(groups))) == (1600, 275)


def test_clip_names_differ_and_are_utf8():
    assert clip_names(["a/x.mpg", "a/\u00e9.y.avi"]) == ["a/x", "a/\u00e9.y"]
    with pytest.raises(UserError, match=r"a/x\.avi and a/x\.mpg: one clip"):
        clip_names(["a/x.avi", "a/x.mpg"])
    with pytest.raises(UserError, match=r"'a/caf\\udce9\.mpg': not in UTF-8"):
        clip_names(["a/caf\udce9.mpg"])
