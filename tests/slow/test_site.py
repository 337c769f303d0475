"""The site in a real browser: every page, picture, video and link, without a network."""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from ucf11lib import models, paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.report import build_site, explore
from ucf11lib.report import site as site_pages
from ucf11lib.report.notebooks import write_page

LOOK = """
const done = arguments[0];
const media = () => [...document.querySelectorAll("img, video")];
const size = (one) => one.naturalWidth ?? one.videoWidth;
function look(tries) {
  const empty = media().filter((one) => !size(one));
  if (empty.length && tries) return setTimeout(look, 50, tries - 1);
  done({empty: empty.map((one) => one.outerHTML.slice(0, 80)), media: media().length,
        links: [...document.querySelectorAll("a[href]")].map((a) => a.href),
        anchors: [...document.querySelectorAll("[id]")].map((one) => one.id)});
}
look(100);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, trained):
    """The site of this checkout's report, a small explorer, and a notebook with outputs."""
    source = tmp_path_factory.mktemp("site") / "source"
    source.mkdir()
    for name in ("report.html", "report.pdf", "models.md"):
        shutil.copy(paths.REPORT / name, source)
    explore([trained], models.load, source / "explorer.html")
    text = "# C3D\n\nThe loss is $-\\ln p$; see [the report](../report/report.html#data)."
    picture = nbformat.v4.new_output("display_data", {"text/html": "<b>table</b>"})
    code = nbformat.v4.new_output("display_data", {"text/markdown": "```python\ndef f():\n```"})
    outputs = nbformat.v4.new_code_cell("1", outputs=[picture, code])
    cells = [nbformat.v4.new_markdown_cell(text), outputs]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source / "01_c3d.ipynb")
    write_page(source / "01_c3d.ipynb", source / "notebooks" / "01_c3d.html")
    return build_site(source, source.parent / "site").parent


def test_pdoc_of_a_killed_site_makes_no_folder_again(tmp_path, monkeypatch):
    """The next command removes the folder while pdoc, which outlives its parent, still works."""
    work = tmp_path / "work"
    work.mkdir()

    class Removed(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            work.rmdir()

    monkeypatch.setattr(subprocess, "Popen", Removed)
    with pytest.raises(RunFailed, match="pdoc: "):
        site_pages._write_api(work)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("report.html", b"<html><body>\xe9", r"report\.html: damaged \('utf-8' codec"),
        ("models.md", b"\xe9", r"models\.md: damaged \('utf-8' codec"),
        ("models.md", b"---\ntitle: *x\n---\n", r"models\.md: pandoc: .*; make it with"),
        ("notebooks/01_c3d.html", b"<h1>\xe9</h1>", r"01_c3d\.html: damaged \('utf-8' codec"),
        ("notebooks/02_vgg9.html", None, r"02_vgg9\.html: not an ordinary file; make it with"),
        ("explorer.html", Path("/etc/hosts"), r"explorer\.html: a link that leads out of .*; make"),
        ("notebooks/zz.html", Path("/etc/hosts"), r"zz\.html: a link that leads out of"),
        ("figures/motion.webp", Path("/etc/hosts"), r"motion\.webp: a link that leads out of"),
    ],
)
def test_build_site_of_a_damaged_report_is_one_line(site, tmp_path, name, content, message):
    source = shutil.copytree(site.parent / "source", tmp_path / "source")
    (source / name).parent.mkdir(exist_ok=True)
    if content is None:
        os.mkfifo(source / name)
    elif isinstance(content, Path):
        (source / name).unlink(missing_ok=True)
        (source / name).symlink_to(content)
    else:
        (source / name).write_bytes(content)
    with pytest.raises((UserError, RunFailed), match=message) as raised:
        build_site(source, tmp_path / "site")
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_build_site_every_page_works_without_a_network(browser, site):
    pages = {}
    for path in sorted(site.rglob("*.html")):
        browser.get(path.as_uri())
        landed = Path(unquote(urlsplit(browser.current_url).path))  # pdoc's first page leads on
        pages[landed] = browser.execute_async_script(LOOK)
        assert pages[landed]["empty"] == [], path
        assert browser.execute_script("return document.getElementById('site-bar').offsetHeight")
    assert sum(page["media"] for page in pages.values()) > 20
    links = {link for page in pages.values() for link in page["links"]}
    inside = {urlsplit(link) for link in links if link.startswith("file:")}
    assert len(inside) > 100
    for link in inside:
        path = Path(unquote(link.path))
        assert path.is_file(), link
        assert path.is_relative_to(site), link
        if link.fragment:
            assert unquote(link.fragment) in pages[path]["anchors"], link


def test_build_site_notebooks_lead_to_the_report(browser, site):
    browser.get((site / "index.html").as_uri())
    browser.find_element("link text", "01_c3d").click()
    assert "The loss is $-\\ln p$" in browser.find_element("tag name", "main").text
    code = browser.find_element("css selector", ".jp-OutputArea-output pre")
    assert code.value_of_css_property("font-family") == "monospace"
    browser.find_element("link text", "the report").click()
    assert browser.current_url == f"{(site / 'report.html').as_uri()}#data"
