"""Trees of videos: what is found, how it is grouped, decoded and cut, and what is left out and said."""

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from ucf11lib.config import RunConfig
from ucf11lib.data import sources, store, videos
from ucf11lib.data.motions import MOTIONS
from ucf11lib.errors import UserError

SHARED = Path(__file__).resolve().parents[2] / "shared"
UCF11 = "group folders or UCF-11 names"


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path}: real data not there")
    return path


def write_video(path: Path, frames: int | np.ndarray = 30, codec: str = "mpeg1video") -> Path:
    """Write so many grey frames, each lighter than the last, or the given ones (n, height, width, 3)."""
    if isinstance(frames, int):
        levels = np.linspace(20, 220, frames).astype(np.uint8)
        frames = np.broadcast_to(levels[:, None, None, None], (frames, 240, 352, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")))
        container.mux(stream.encode())
    return path


def broken_midway(path: Path, frames: int = 60) -> Path:
    """Write an .avi in which a packet in the middle is noise, which the decoder refuses."""
    content = bytearray(write_video(path, frames, "mpeg4").read_bytes())
    starts = [i for i in range(len(content)) if content[i : i + 4] == b"00dc" and content[i + 8 : i + 11] == b"\0\0\1"]
    content[starts[40] + 8 : starts[41] - 1] = bytes(starts[41] - starts[40] - 9)
    path.write_bytes(content)
    return path


# ---- real videos


def test_the_one_real_ucf11_clip(tmp_path):
    made = videos.prepare(tmp_path / "s", shared("videos/ucf11_sample"), source="ucf11")
    assert made.frames.shape == (5, 30, 64, 64, 3)
    assert made.info["frames_read"] == 151
    assert made.classes == ("biking",)
    assert set(made.groups) == {"biking/v_biking_01"}
    assert set(made.clips) == {"biking/v_biking_01/v_biking_01_01"}
    assert made.index["first_frame"].tolist() == [0, 30, 60, 90, 120]
    assert made.info["left_out"] == []
    assert made.source == "ucf11"
    made.verify()


def test_weizmann_has_its_subjects_as_groups(tmp_path, capsys):
    made = videos.prepare(tmp_path / "s", shared("videos/weizmann"))
    assert len(made.classes) == 10
    assert set(made.groups) == {"daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar"}
    assert len(set(made.clips)) + len(made.info["left_out"]) == 90
    assert made.info["origin"]["groups"] == "Weizmann names"
    assert "warning" not in capsys.readouterr().err


def test_ucf101_has_its_groups(tmp_path):
    made = videos.prepare(tmp_path / "s", shared("videos/ucf101_sample"))
    assert made.classes == ("Biking", "Diving", "Swing", "WalkingWithDog")
    assert set(made.groups) == {
        *("Biking/g01", "Biking/g02", "Biking/g06"),
        *("Diving/g01", "Swing/g01", "WalkingWithDog/g01"),
    }
    assert len(set(made.clips)) == 11


@pytest.mark.parametrize("flat", [False, True])
def test_every_clip_of_ucf11_gets_its_group(flat):
    names = shared("reference/ucf11_clip_names.txt").read_text().split()
    truth = [name.rsplit("/", 1)[0] for name in names]
    files = [f"{cls}/{clip}.mpg" if flat else f"{cls}/{group}/{clip}.mpg" for cls, group, clip in
             (name.split("/") for name in names)]  # fmt: skip
    assert len(files) == 1600
    assert videos.find_groups(files) == (truth, UCF11)
    assert len(set(truth)) == 275


# ---- groups


@pytest.mark.parametrize(
    ("names", "groups", "rule"),
    [
        (["Biking/v_Biking_g01_c02.avi"], ["Biking/g01"], "UCF-101 names"),
        (["swing/v_swing_01_02.mpg", "swing/x/y.mpg"], ["swing/v_swing_01", "swing/x"], UCF11),
        (["walking/v_walk_dog_07_03.mpg"], ["walking/v_walk_dog_07"], UCF11),
        (["walk/anna/1.mp4", "run/anna/deep/2.mp4"], ["walk/anna", "run/anna"], UCF11),
        (["walk/lena_walk1.avi", "run/lena_run.avi", "wave2/ira_wave2.avi"], ["lena", "lena", "ira"], "Weizmann names"),
        (["Walk/mary_ann_walk.AVI"], ["mary_ann"], "Weizmann names"),
        (["walk/lena_walk1.avi", "run/other.avi"], ["walk/lena_walk1", "run/other"], videos.OWN),
        (["walk/lena_run.avi"], ["walk/lena_run"], videos.OWN),
        (["Biking/v_Biking_g01_c02.avi", "Biking/mine.avi"], ["Biking/v_Biking_g01_c02", "Biking/mine"], videos.OWN),
        (["a+b/eva_a+b.avi"], ["eva"], "Weizmann names"),
    ],
)
def test_the_first_rule_that_fits_all_names_gives_the_groups(names, groups, rule):
    assert videos.find_groups(names) == (groups, rule)


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"person(\d+)", ["01", "02"]),
        (r"(\w+)/person(?P<group>\d+)", ["01", "02"]),
        (r"_(d\d)\.avi$", ["d1", "d1"]),
    ],
)
def test_a_group_pattern_takes_its_named_or_first_group(pattern, groups):
    names = ["boxing/person01_d1.avi", "jogging/person02_d1.avi"]
    assert videos.find_groups(names, pattern) == (groups, f"--group-pattern {pattern}")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("person(", r"person\(: .*; give a regular expression"),
        (r"person\d+", r"invalid group reference.*; give a regular expression"),
        (r"subject(\d+)", r"2 of 2 clips, the first: boxing/person01\.avi"),
        (r"jogging/person(\d+)", r"1 of 2 clips, the first: boxing/person01\.avi"),
        (r"boxing/person(\d+)|jogging", r"1 of 2 clips, the first: jogging/person02\.avi"),
        ("", r"group-pattern"),
    ],
)
def test_a_bad_group_pattern_is_refused_before_decoding(tmp_path, pattern, message):
    for name in ("boxing/person01.avi", "jogging/person02.avi"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_bytes(b"never opened")
    with pytest.raises(UserError, match=message) as caught:
        videos.prepare(tmp_path / "s", tmp_path / "in", group_pattern=pattern)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["in"]


def test_without_groups_each_clip_is_its_own_and_one_line_says_so(tmp_path, capfd):
    for name in ("a/one.mpg", "a/two.mpg", "b/one.mpg"):
        write_video(tmp_path / "in" / name)
    made = videos.prepare(tmp_path / "s", tmp_path / "in")
    assert list(made.groups) == ["a/one", "a/two", "b/one"]
    assert made.info["origin"]["groups"] == "each clip its own"
    assert "--group-pattern" in capfd.readouterr().err.strip().splitlines()[0]
    made = videos.prepare(tmp_path / "t", tmp_path / "in", group_pattern="/(.*)[.]")
    assert list(made.groups) == ["one", "two", "one"]
    assert made.info["origin"]["groups"] == "--group-pattern /(.*)[.]"


# ---- the tree


def test_annotations_hidden_things_and_other_files_are_not_clips(tmp_path):
    root = tmp_path / "in" / "UCF11_updated_mpg"
    write_video(root / "biking/v_biking_01/v_biking_01_01.MPG", 31)
    for name in (
        "biking/Annotation/v_biking_01_01.mpg",
        "biking/v_biking_01/ANNOTATION/x.mpg",
        "biking/.cache/x.mpg",
        "biking/v_biking_01/._v_biking_01_01.mpg",
        "biking/v_biking_01/v_biking_01_01.xgtf",
        ".hidden/x.mpg",
        "Annotation/x.mpg",
        "notes/read.txt",
        "loose.mpg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("no video")
    (tmp_path / "in" / "UCF11_updated_mpg.rar").write_bytes(b"")
    (tmp_path / "in" / ".DS_Store").write_bytes(b"")
    for folder in (root, tmp_path / "in"):
        made = videos.prepare(tmp_path / f"s-{folder.name}", folder, source="ucf11")
        assert list(made.clips) == ["biking/v_biking_01/v_biking_01_01"]
        assert list(made.groups) == ["biking/v_biking_01"]
        assert made.info["left_out"] == []
        assert made.info["frames_read"] == 31


def test_ucf11_classes_stand_in_its_order_and_others_sorted(tmp_path):
    for name in ("walking", "golf_swing", "basketball"):
        write_video(tmp_path / "in" / name / "g" / "c.mpg")
    wanted = ["basketball", "golf_swing", "walking"]
    assert [name for name in MOTIONS if name in wanted] == wanted
    made = videos.prepare(tmp_path / "s", tmp_path / "in", source="ucf11")
    assert made.info["classes"] == wanted
    assert made.labels.tolist() == [0, 1, 2]
    write_video(tmp_path / "in" / "Zebra" / "g" / "c.mpg")
    assert videos.prepare(tmp_path / "t", tmp_path / "in").info["classes"] == ["Zebra", *wanted]
    with pytest.raises(UserError, match=r"not classes of UCF-11: Zebra; try --source videos"):
        videos.prepare(tmp_path / "u", tmp_path / "in", source="ucf11")


def test_linked_folders_are_followed(tmp_path):
    write_video(tmp_path / "far/g1/c.mpg")
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/a/g1").symlink_to(tmp_path / "far/g1")
    (tmp_path / "in/b").symlink_to(tmp_path / "far")
    assert list(videos.prepare(tmp_path / "s", tmp_path / "in").groups) == ["a/g1", "b/g1"]


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("x.mpg", "x.avi"):
        (tmp_path / "in/a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in/a" / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"a/x\.avi and a/x\.mpg"):
        videos.prepare(tmp_path / "s", tmp_path / "in")


@pytest.mark.parametrize("files", [[], ["x.mpg"], ["a/notes.txt"], ["a/Annotation/x.mpg"]])
def test_a_folder_without_class_folders_is_refused(tmp_path, files):
    (tmp_path / "in").mkdir()
    for name in files:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"in: no class folder.*expected <class>/<clip>\.mpg"):
        videos.prepare(tmp_path / "s", tmp_path / "in")
    assert os.listdir(tmp_path) == ["in"]


def test_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "nowhere"):
        with pytest.raises(UserError, match=f"{name}: no folder there; give --data"):
            videos.prepare(tmp_path / "s", tmp_path / name)


# ---- decoding


def test_frames_are_counted_by_decoding_and_stay_in_order(tmp_path):
    frames = videos.decode(write_video(tmp_path / "x.mpg", 47))
    assert frames.shape == (47, 64, 64, 3)
    assert frames.dtype == np.uint8
    levels = frames.mean((1, 2, 3))
    assert (np.diff(levels) > 0).all()
    np.testing.assert_allclose(levels, np.linspace(20, 220, 47), atol=4)


def test_scaling_averages_areas(tmp_path):
    board = np.indices((240, 320)).sum(0) % 2 * 255
    frames = videos.decode(write_video(tmp_path / "x.avi", np.stack([board] * 3, -1)[None].astype(np.uint8), "ffv1"))
    assert frames.shape == (1, 64, 64, 3)
    assert abs(frames.astype(int) - 127).max() <= 12  # 3.75 rows a pixel do not hold black and white in halves
    assert abs(frames.mean() - 127.5) < 1


def test_colours_keep_their_places_and_the_picture_is_squashed(tmp_path):
    image = np.zeros((1, 120, 400, 3), np.uint8)
    image[:, :60, :200], image[:, :60, 200:], image[:, 60:, :200] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    frame = videos.decode(write_video(tmp_path / "x.avi", image, "ffv1"), size=32)[0].astype(int)
    for rows, columns, colour in (
        (slice(0, 15), slice(0, 15), (255, 0, 0)),
        (slice(0, 15), slice(17, 32), (0, 255, 0)),
        (slice(17, 32), slice(0, 15), (0, 0, 255)),
        (slice(17, 32), slice(17, 32), (0, 0, 0)),
    ):
        assert abs(frame[rows, columns] - colour).max() <= 4


def test_a_phone_s_turned_video_stands_upright(tmp_path):
    image = np.zeros((5, 48, 64, 3), np.uint8)
    image[:, :24] = 255
    path = write_video(tmp_path / "x.mp4", image, "mpeg4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    frames = videos.decode(path)  # a quarter turn to the right takes the white half there
    assert frames[:, :, 34:].min() > 240
    assert frames[:, :, :30].max() < 15


def test_size_and_window_are_the_caller_s(tmp_path):
    write_video(tmp_path / "in/a/x.mpg", 25)
    made = videos.prepare(tmp_path / "s", tmp_path / "in", window=8, size=16)
    assert made.frames.shape == (3, 8, 16, 16, 3)
    assert made.index["first_frame"].tolist() == [0, 8, 16]
    np.testing.assert_array_equal(made.frames.reshape(24, 16, 16, 3), videos.decode(tmp_path / "in/a/x.mpg", 16)[:24])


def test_a_stride_is_a_setting_of_a_run_and_its_store_another(tmp_path):
    write_video(tmp_path / "walk/a.mpg", 50)
    write_video(tmp_path / "run/b.mpg", 40)
    plain = RunConfig("cnn_lstm", source="videos", data=str(tmp_path))
    profiles = [config.resolved()[1] for config in (plain, plain.having("stride=10"))]
    stores = [sources.ensure("videos", data=str(tmp_path), profile=profile) for profile in profiles]
    assert [len(made) for made in stores] == [2, 5]
    assert [made.info["stride"] for made in stores] == [30, 10]


def test_windows_follow_each_other_and_drop_the_rest():
    frames = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    assert videos.windows(frames, 3)[:, :, 0, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert videos.windows(frames, 8).shape == (0, 8, 4, 4, 3)


def test_the_same_tree_gives_the_same_store(tmp_path):
    for i in range(12):
        write_video(tmp_path / f"in/a/g{i % 3}/c{i}.mpg", 30 + i)
    made = [videos.prepare(tmp_path / name, tmp_path / "in") for name in "st"]
    assert made[0].info == made[1].info
    assert list(made[0].clips) == sorted(made[0].clips)


# ---- what cannot be used


def test_short_and_broken_clips_are_left_out_counted_and_listed(tmp_path, capfd):
    for i in range(2):
        write_video(tmp_path / f"in/a/g/good{i}.mpg", 65)
    write_video(tmp_path / "in/a/g/short.mpg", 21)
    (tmp_path / "in/a/g/text.mpg").write_text("this is no video\n" * 100)
    made = videos.prepare(tmp_path / "s", tmp_path / "in")
    assert len(made) == 4
    assert made.info["frames_read"] == 2 * 65 + 21
    assert made.info["left_out"] == [
        {"clip": "a/g/short", "reason": "21 frames, fewer than 30", "damaged": False},
        {
            "clip": "a/g/text",
            "reason": "cannot be opened: Invalid data found when processing input",
            "damaged": True,
        },
    ]
    assert "2 clips left out" in made.summary()
    assert capfd.readouterr().err == ""


def test_a_truncated_mpg_is_left_out_for_its_last_picture_is_a_guess(tmp_path):
    rng = np.random.default_rng(0)
    write_video(tmp_path / "in/a/g/good.mpg", 30)
    path = write_video(tmp_path / "in/a/g/cut.mpg", rng.integers(0, 256, (90, 48, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    made = videos.prepare(tmp_path / "s", tmp_path / "in")
    assert list(made.clips) == ["a/g/good"]
    (left_out,) = made.info["left_out"]
    assert left_out["clip"] == "a/g/cut"
    assert left_out["reason"] == f"frame {made.info['frames_read'] - 30} is damaged"


def test_a_clip_that_breaks_off_is_left_out_whole(tmp_path, capfd):
    write_video(tmp_path / "in/a/g/good.mpg", 30)
    path = broken_midway(tmp_path / "in/a/g/broken.avi")
    made = videos.prepare(tmp_path / "s", tmp_path / "in")
    assert list(made.clips) == ["a/g/good"]
    (left_out,) = made.info["left_out"]
    assert left_out["reason"].startswith("broke off after ")
    assert "Invalid data" in left_out["reason"]
    assert made.info["frames_read"] == 30 + int(left_out["reason"].split()[3])
    assert capfd.readouterr().err == ""
    with pytest.raises(UserError, match=r"broken\.avi: broke off after \d+ frames"):
        videos.decode(path)


@pytest.mark.parametrize(("bad", "message"), [(1, "1 clips left out"), (2, "2 of 2 clips cannot be decoded")])
def test_a_tree_of_nothing_but_broken_clips_leaves_no_store(tmp_path, bad, message):
    for i in range(bad):
        (tmp_path / "in/a/g").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"in/a/g/c{i}.mpg").write_bytes(b"")
    with pytest.raises(UserError, match=f"{message}, the first: .*a/g/c0") as caught:
        videos.prepare(tmp_path / "s", tmp_path / "in")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["in"]


def test_more_than_two_percent_undecodable_is_a_broken_tree(tmp_path):
    good = write_video(tmp_path / "in/a/g/c0.mpg", np.zeros((30, 16, 16, 3), np.uint8) + 90).read_bytes()
    for i in range(1, 98):
        (tmp_path / f"in/a/g/c{i}.mpg").write_bytes(good)
    for i in range(2):
        (tmp_path / f"in/a/g/bad{i}.mpg").write_bytes(b"")
    assert len(videos.prepare(tmp_path / "s", tmp_path / "in").info["left_out"]) == 2
    (tmp_path / "in/a/g/bad2.mpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"3 of 101 clips .*: a/g/bad0 \(cannot be opened.*--broken 0.03") as caught:
        videos.prepare(tmp_path / "t", tmp_path / "in")
    assert sorted(os.listdir(tmp_path)) == ["in", "s"]
    allowed = float(str(caught.value).split()[-1])
    assert len(videos.prepare(tmp_path / "t", tmp_path / "in", broken=allowed).info["left_out"]) == 3


def test_decode_says_what_is_wrong_with_a_file(tmp_path, capfd):
    (tmp_path / "empty.mp4").write_bytes(b"")
    with av.open(str(tmp_path / "sound.avi"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    content = write_video(tmp_path / "x.avi", 3, "mpeg4").read_bytes()
    (tmp_path / "unknown.avi").write_bytes(content.replace(b"FMP4", b"ZZZZ"))
    for name, message in (
        ("unknown.avi", "no video stream that FFmpeg knows"),
        ("empty.mp4", "cannot be opened: Invalid data"),
        ("sound.avi", "no video stream"),
        ("nowhere.mpg", "cannot be opened: No such file"),
        (".", "cannot be opened: Is a directory"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            videos.decode(tmp_path / name)
        assert Path(name).name in str(caught.value)
        assert "give a video" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_title_in_odd_bytes_does_not_stop_decoding(tmp_path):
    path = write_video(tmp_path / "x.avi", 3, "mpeg4")
    content = path.read_bytes()
    at = content.index(b"ISFT")
    path.write_bytes(content[: at + 8] + b"\xff\xfe" + content[at + 10 :])
    assert len(videos.decode(path)) == 3


def test_an_existing_store_is_kept(tmp_path):
    write_video(tmp_path / "in/a/g/c.mpg")
    made = videos.prepare(tmp_path / "s", tmp_path / "in")
    with pytest.raises(UserError, match="exists already"):
        videos.prepare(tmp_path / "s", tmp_path / "in")
    assert store.ClipStore.open(tmp_path / "s").info == made.info
