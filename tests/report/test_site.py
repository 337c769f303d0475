"""Where the site's pages may go; the pages themselves are looked at in tests/slow."""

import shutil

import pytest

from ucf11lib.errors import RunFailed, UserError
from ucf11lib.report import site


@pytest.fixture
def work(tmp_path):
    for name in ("api/index.html", "data.html", "index.html"):
        (tmp_path / "work" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "work" / name).write_text(name)
    return tmp_path / "work"


def test_pages_leave_a_users_files(work, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/data.html").write_text("mine")
    with pytest.raises(UserError, match=r"data\.html: exists, and is of no earlier site; choose"):
        site._move_all(work, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["data.html"]
    assert (tmp_path / "out/data.html").read_text() == "mine"


def test_pages_of_a_killed_site_are_replaced(work, tmp_path, monkeypatch):
    again = shutil.copytree(work, tmp_path / "again")
    moved = []

    def killed(source, target):
        if moved:
            raise KeyboardInterrupt
        moved.append(shutil.copy(source, target))

    monkeypatch.setattr(site.shutil, "move", killed)
    with pytest.raises(KeyboardInterrupt):
        site._move_all(work, tmp_path / "out")
    monkeypatch.undo()
    site._move_all(again, tmp_path / "out")
    names = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.html")}
    assert names == {"api/index.html", "data.html", "index.html"}


def test_pages_of_a_strangers_report_hold_no_file_of_ours(tmp_path):
    work, secret = tmp_path / "work", tmp_path / "secret.svg"
    secret.write_text("<svg>secret</svg>")
    work.mkdir()
    page = tmp_path / "01.html"
    page.write_text(f"<h1>![x]({secret})</h1>")
    (work / "models.md").write_text(f"![x]({secret}) ![y](file://{secret})")
    site._write_own_pages(work, tmp_path, [page])
    for name in ("models.html", "index.html"):
        assert "svg+xml" not in (work / name).read_text()
        with pytest.raises(RunFailed, match=rf"{name}: links to .*, which the site does not have"):
            site._linked(work / name, work, {"motion.webp": work / "figures/motion.webp"})
    page.write_text(f'<img src="data:image/png;base64,{300 * "A"}"><a href="work">')
    assert site._linked(page, tmp_path, {}) == page.read_text()


@pytest.mark.parametrize("link", ["%00", "loop"])
def test_pages_with_a_link_that_leads_nowhere_are_refused_in_one_line(tmp_path, link):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    page = tmp_path / "01.html"
    page.write_text(f'<a href="{link}">')
    with pytest.raises(RunFailed, match=rf"01.html: links to {link}, which the site does not have"):
        site._linked(page, tmp_path, {})
