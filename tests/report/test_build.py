import json
import re
import shutil

import pytest

from ucf11lib import paths, report, text
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.models import lite0
from ucf11lib.report import selection, tables
from ucf11lib.report.build import README_MARKS, fill, update_readme
from ucf11lib.report.captions import measured
from ucf11lib.report.tables import claims
from ucf11lib.report.targets import MARKS
from ucf11lib.runs import list_runs

SECRET = "TOPSECRET-12345"
STRANGE = (
    "synthetic data <script>alert(1)</script>",
    "<iframe src='{secret}'></iframe><script src='{secret}'></script>",
    "![a]({secret}) [b](file://{secret})\n\n```{{=html}}\n<b>raw</b>\n```",
    "\n---\ntitle: *x\n---\n",
    "| a | b |\n# heading `code` $x$ \\input{{{secret}}}",
)


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.slow
def test_build_shows_and_numbers_everything_and_repeats_its_bytes(folder, figures_dir, tmp_path):
    files = report.build(folder, figures_dir=figures_dir, to=tmp_path / "a")
    assert [path.name for path in files] == ["report.html", "report.pdf", "models.md"]
    for path in report.build(folder, figures_dir=figures_dir, to=tmp_path / "b"):
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
    page, models = files[0].read_text(), files[2].read_text()
    titles = [line for line in models.splitlines() if line.startswith("## ")]
    assert titles == ["## C3D", "## VGG9", "## CNN+LSTM", "## EfficientNet-Lite0, frozen"]
    assert lite0.LICENCE in models
    for run in list_runs(folder):
        accuracy = f"{100 * run.metrics['accuracy']:.1f} %"
        low, _ = run.metrics["interval"]
        assert accuracy in page
        assert f"| {accuracy} (95 % interval over groups {100 * low:.1f} to" in models
        assert f"`runs/{run.path.name}`" in models
    assert models.count("The data are drawn; no number here") == 3
    assert "<<" not in page
    assert files[1].read_bytes().startswith(b"%PDF")
    for kind in ("Figure", "Table"):
        numbers = [int(n) for n in re.findall(rf"<strong>{kind} (\d+)\.</strong>", page)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > 10
    assert page.count("<table") == page.count('<table id="tbl-')


@pytest.mark.slow
def test_build_links_every_figure_and_table_with_its_source(folder, figures_dir, tmp_path):
    why = {"leak": "a rate has changed"}
    options = {"to": tmp_path / "a", "why": lambda name: why.get(name, "")}
    html, *_ = report.build(folder, figures_dir=figures_dir, **options)
    page = re.sub(r"\s+", " ", html.read_text())
    keys = re.findall(r'<(?:figure|table) id="((?:fig|tbl)-\w+)"', page)
    assert len(keys) == len(set(keys)) > 30
    for key in keys:
        assert re.search(rf'<a href="#{key}">(Figure|Table)\s\d+</a>', page), (
            f"{key}: not in the text"
        )
    sources = re.findall(r'<span class="source"[^>]*>Made by(.*?)</span>', page)
    assert len(sources) >= len(keys) - 2  # two tables are typed
    assert all("python -m" in one and "commit" in one for one in sources)
    assert [one for one in sources if "stale: a rate has changed" in one] == [
        one for one in sources if re.search(r"study [\w ]*\bleak\b", one)
    ]
    assert "[@" not in page
    body = page[page.index("<body") : page.rindex("Appendix A")]
    assert 6 <= body.count("<figure") <= 12
    for link in re.findall(r'<a href="#([\w-]+)"', page):
        assert f'id="{link}"' in page


@pytest.mark.parametrize("name", ["report.html", "report.pdf", "models.md"])
def test_build_leaves_a_users_files(tmp_path, name):
    for one, mark in MARKS.items():
        (tmp_path / one).write_text("a thesis on ucf11lib" if one == name else mark)
    with pytest.raises(
        UserError, match=f"{name}: exists, and is no page that may be replaced; choose"
    ):
        report.build(tmp_path, to=tmp_path)
    contents = MARKS | {name: "a thesis on ucf11lib"}
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == contents


@pytest.mark.slow
def test_build_of_the_checkout_links_to_its_figures(folder, figures_dir, tmp_path, monkeypatch):
    shutil.copytree(paths.REPORT, tmp_path / "report")
    shutil.copy(paths.ROOT / "README.md", tmp_path)
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    html, *_ = report.build(figures_dir=figures_dir, runs=selection.select_runs(list_runs(folder)))
    links = re.findall(r'<img\s+src="([^"]+)"', html.read_text())
    assert {link.rpartition("/")[0] for link in links} == {"../figures"}  # and there are some
    assert {link.rpartition("/")[2] for link in links} <= {
        path.name for path in figures_dir.iterdir()
    }


@pytest.mark.slow
def test_build_of_others_runs_reads_no_figure_of_the_user_and_none_of_the_checkouts_runs(
    folder, figures_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(paths, "FIGURES", figures_dir)
    (tmp_path / "thesis" / "figures").mkdir(parents=True)
    (mine := tmp_path / "thesis" / "figures" / "motion.webp").write_text("mine, and no picture")
    page = report.build(folder, to=tmp_path / "thesis")[0].read_text()
    assert page.count("the figure at hand is of other runs") == 13  # which notebooks drew
    assert mine.read_text() == "mine, and no picture"


@pytest.mark.parametrize("value", ["10 ** 400 / 3", "none.x.y", "[].pop()", "1 / 0"])
def test_fill_with_what_cannot_be_computed_is_one_line(value, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPORT", tmp_path)
    (tmp_path / "a.md").write_text(f"<< {value} >>")
    with pytest.raises(RunFailed, match=r"^report/a\.md: .+"):
        fill("a.md", {})


def test_claims_have_a_verdict_each():
    table = claims(fill("claims.md", {"tables": tables, "text": text}))
    assert len(table) >= 15
    assert set(table.verdict) == {"not reproduced", "reproduced", "cannot be decided"}
    assert table.claim.is_unique


@pytest.mark.slow
@pytest.mark.parametrize("strange", [STRANGE, ("x" * 1_000_000,)], ids=["markup", "long"])
def test_build_shows_text_of_a_run_as_text(folder, figures_dir, tmp_path, strange):
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    texts = [text.format(secret=secret) for text in strange]
    kind, short = "\n\n".join(texts), [text[:200] for text in texts]
    for run in list_runs(folder):
        change(run.path / "config.json", data_kind=kind)
        classes = [*short, "b", "c"][:3]
        change(run.path / "metrics.json", classes=classes, status=short[-1])
        change(run.path / "environment.json", processor=kind, commit=kind, python=kind)
    html, _, cards = report.build(folder, figures_dir=figures_dir, to=tmp_path / "out")
    for page in (html.read_text(), cards.read_text()):
        assert SECRET not in page
        assert "VE9QU0VDUkVU" not in page  # the same in base64
        assert not re.search(r"<script|<iframe|<b>raw|\[b\]|href=.file:", page)
        assert len(page) < 2_000_000


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "environment.json"])
def test_build_unreadable_run_is_one_line(folder, figures_dir, tmp_path, name):
    for run in list_runs(folder):
        (run.path / name).write_text('{"data_kind": "a\\udcffb"}')
    words = "no finished runs of all three" if name == "config.json" else rf"{name}: unreadable"
    with pytest.raises(UserError, match=f"^.*{words}.*$"):
        report.build(folder, figures_dir=figures_dir, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_build_undefined_number_or_missing_figure_or_runs(
    folder, figures_dir, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match=r"motion.webp: no such file; make it with 'make r"):
        report.build(folder, figures_dir=tmp_path, to=tmp_path / "out")
    with pytest.raises(UserError, match="make them with 'make report'"):
        report.build(tmp_path, to=tmp_path / "out")
    shutil.copytree(paths.REPORT, tmp_path / "report")
    template = tmp_path / "report" / "report.md"
    template.write_text(template.read_text() + "\n<< runs.c3d.metrics.luck >>\n")
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    with pytest.raises(RunFailed, match="no attribute 'luck'"):
        report.build(folder, figures_dir=figures_dir, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_measured_marks_stale_results():
    stale = measured("leak", "a configuration has changed", "results")
    assert stale.endswith("; **stale: a configuration has changed**")


def test_update_readme_replaces_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    begin, end = README_MARKS
    (tmp_path / "README.md").write_text(f"# before\n{begin}\nold\n{end}\nafter\n")
    update_readme(lambda study: f"a rate of {study} has changed")
    page = (tmp_path / "README.md").read_text()
    assert (page[:9], page[-6:]) == ("# before\n", "after\n")
    assert "old" not in page
    rows = tables.over_seeds("five_seeds").set_index("model")
    assert f"| C3D | {rows.accuracy['c3d']} | " in page
    assert "groups, in bfloat16 (python -m ucf11lib study five_seeds" in page
    assert "; stale: a rate of five_seeds has changed)" in page
    (tmp_path / "README.md").write_text("no marks")
    with pytest.raises(RunFailed, match="marks"):
        update_readme()
