"""What the site refuses; its pages are looked at in tests/slow."""

import pytest

from ucf11lib.errors import RunFailed, UserError
from ucf11lib.report.site import BAR, FILES, build_site


@pytest.fixture
def source(tmp_path):
    """A report's folder with pages of one line."""
    (tmp_path / "report" / "notebooks").mkdir(parents=True)
    for name in (*FILES, "notebooks/01_c3d.html"):
        (tmp_path / "report" / name).write_text("<html><body><h1>C3D</h1></body></html>")
    return tmp_path / "report"


def test_build_site_refuses_another_site(source, tmp_path):
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("<!DOCTYPE html>mine")
    with pytest.raises(UserError, match=r"index.html: exists, and is no page .* --out"):
        build_site(source, page.parent)
    assert page.read_text() == "<!DOCTYPE html>mine"


def test_build_site_without_notebooks_names_the_remedy(source, tmp_path):
    (source / "notebooks" / "01_c3d.html").unlink()
    with pytest.raises(UserError, match="notebooks: no such page; make it with 'make report'"):
        build_site(source, tmp_path / "site")


def test_build_site_with_a_dead_link_leaves_nothing(source, tmp_path):
    link = '<a class="x" href="../runs/weights.bin#y">w</a>'
    (source / "notebooks" / "01_c3d.html").write_text(f"<html><body>{link}</body></html>")
    with pytest.raises(RunFailed, match=r"01_c3d.html: links to ../runs/weights.bin, which the"):
        build_site(source, tmp_path / "site")
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "site").exists()


def test_bar_leads_to_pages_of_a_report():
    pages = {page.partition("#")[0] for page in BAR.values()}
    own = {"index.html", "models.html", "api/ucf11lib.html"}
    assert pages - own == {name for name in FILES if name.endswith("html")}
