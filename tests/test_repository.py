"""What a repository promises of itself: pins and their lock, its citation, its words."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import nbformat
import pytest
import yaml

from ucf11lib import paths

PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
# The left column of the project's table of words: names that say nothing, and metaphors.
NAMES = {"found", "kept", "made", "taken", "said", "there", "whole", "alone", "forget", "say"}
NAMES |= {"turn_about", "deviation", "LONGER", "PLAIN", "EVERY", "FAR", "AHEAD"}
PHRASES = re.compile(
    r"by heart|\bladders?\b|\brungs?\b|\bmends?\b|\bbuys\b|is the door|yardstick|held against"
    r"|as a reader wants it|\bturn about\b|whole groups"
    r"|\bgoes on\b|\bsooner\b|\bstands\b(?! still| in\b)",
    re.IGNORECASE,
)
MOST_WORDS = 35  # of a sentence
# Metadata, code, tables, and the report's template.
NO_PROSE = re.compile(
    r"^---$.*?^---$|```.*?```|<%.*?%>|^( {4}|\||<<).*?$", re.DOTALL | re.MULTILINE
)
END = re.compile(r"(?<=[.!?:])[\"*)]*\s+(?=\W?[A-Z]|[`@*\[])")  # of a sentence


def texts():
    """Return what people wrote: path in the checkout -> text; of notebooks, their sources."""
    patterns = ("*.md", "ucf11lib/**/*.py", "docs/*.md", "report/*.md", "notebooks/**/*.ipynb")
    files = {path for pattern in patterns for path in paths.ROOT.glob(pattern)}
    return {path.relative_to(paths.ROOT): text_of(path) for path in sorted(files)}


def text_of(path):
    if path.suffix != ".ipynb":
        return path.read_text()
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def names(tree):
    """Return the names that a module binds."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def test_lock_has_each_pin():
    locked = set(PIN.findall((paths.ROOT / "requirements.lock").read_text().lower()))
    for name in ("requirements.txt", "requirements-dev.txt"):
        pins = set(PIN.findall((paths.ROOT / name).read_text().lower()))
        assert pins
        assert pins <= locked, f"run: make lock ({sorted(pins - locked)})"


def test_lock_names_no_index():
    assert not re.search(r"://|^-", (paths.ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_lock_refuses_an_altered_wheel(tmp_path):
    lock = (paths.ROOT / "requirements.lock").read_text()
    entry = re.search(r"^tqdm==(\S+) (?:\\\n +--hash=\S+ ?)+", lock, re.MULTILINE)
    (tmp_path / "lock").write_text(entry[0])
    with zipfile.ZipFile(tmp_path / f"tqdm-{entry[1]}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tqdm/__init__.py", "")
    offline = ["--isolated", "--no-deps", "--no-index", "--find-links", tmp_path]
    command = [sys.executable, "-m", "pip", "wheel", *offline, "-r", tmp_path / "lock"]
    options = {"capture_output": True, "text": True, "cwd": tmp_path.parent, "check": False}
    done = subprocess.run(command, **options)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_citation_is_of_this_version():
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert f"## {project['version']}" in (paths.ROOT / "CHANGELOG.md").read_text()


def test_words_are_the_fields():
    used = {path: set(PHRASES.findall(text)) for path, text in texts().items()}
    for path, text in texts().items():
        if path.suffix == ".py":
            used[path] |= NAMES & set(names(ast.parse(text)))
    assert {str(path): sorted(words) for path, words in used.items() if words} == {}


def prose_of(path):
    """Return the paragraphs and list items of a Markdown file or a notebook."""
    text = path.read_text()
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"<<.*?>>", "value", NO_PROSE.sub("", text))
    return re.split(r"\n\s*\n|^\s*(?:[-*>]|\d+\.) ", text, flags=re.MULTILINE)


def test_sentences_are_short():
    paths_of_prose = [path for path in texts() if path.suffix != ".py"]
    assert len(paths_of_prose) > 20
    for path in paths_of_prose:
        for block in prose_of(paths.ROOT / path):
            for sentence in END.split(" ".join(block.split())):
                assert len(sentence.split()) <= MOST_WORDS, f"{path}: {sentence}"


def test_files_and_functions_are_short():
    longest = {"ucf11lib": 250, "tests": 200}
    for folder, lines in longest.items():
        for path in (paths.ROOT / folder).rglob("*.py"):
            text = path.read_text()
            assert text.count("\n") <= lines, path
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno < 45, f"{path}: {node.name}"


def test_no_file_is_larger_than_a_mebibyte():
    if not shutil.which("git") or not (paths.ROOT / ".git").exists():
        pytest.skip("not a clone, or no git")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=paths.ROOT, capture_output=True)
    files = [paths.ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    assert files
    assert [file.name for file in files if file.stat().st_size > 1 << 20] == []
