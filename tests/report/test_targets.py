"""A report may be a stranger's: what its links lead to is not published."""

import pytest

from ucf11lib.errors import UserError
from ucf11lib.report.captions import Captions
from ucf11lib.report.targets import check_report


@pytest.mark.parametrize("linked", ["figures", "figures/a.svg"])
def test_figure_behind_a_link_that_leads_out_is_refused(tmp_path, linked):
    for folder in ("own", "others/figures"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "others" / "figures" / "a.svg").write_text("secret")
    target = tmp_path / "own" / linked
    target.parent.mkdir(exist_ok=True)
    target.symlink_to(tmp_path / "others" / linked)
    captions = Captions(tmp_path / "own" / "figures", str, "", lambda name: "")
    with pytest.raises(UserError, match=r"a\.svg: a link that leads out of .*own; make it"):
        captions.figure("a.svg", "words", "01_c3d")


def test_figure_behind_a_link_inside_the_report_is_shown(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "b.svg").write_text("<svg>")
    (tmp_path / "figures" / "a.svg").symlink_to("../b.svg")
    captions = Captions(tmp_path / "figures", str, "", lambda name: "")
    assert "a.svg" in captions.figure("a.svg", "words", "01_c3d")


def test_check_report_refuses_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"clip\.mp4: no folder; choose another --out"):
        check_report(tmp_path / "clip.mp4")
