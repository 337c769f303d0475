"""UCF-11's archive: downloaded from a server that breaks off, unpacked, refused if damaged."""

import binascii
import os
import shutil
import struct
from pathlib import Path

import pytest

from ucf11lib.data.videos import archive
from ucf11lib.errors import RunFailed, UserError

PART = ".part-UCF11_updated_mpg.rar"
NAMES = Path(__file__).parents[3] / "shared" / "reference" / "ucf11_clip_names.txt"


def rar(files: dict[str, bytes], method: int = 0x30) -> bytes:
    """A RAR 3 archive of uncompressed files."""

    def block(kind: int, flags: int, fields: bytes, data: bytes = b"") -> bytes:
        body = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
        return struct.pack("<H", binascii.crc32(body) & 0xFFFF) + body + data

    parts = [b"Rar!\x1a\x07\x00", block(0x73, 0, bytes(6))]
    for name, data in files.items():
        encoded = name.replace("/", "\\").encode()
        sizes = len(data), len(data), 2, binascii.crc32(data), 0x5A21_0000
        fields = struct.pack("<IIBIIBBHI", *sizes, 29, method, len(encoded), 0x20)
        parts.append(block(0x74, 0x8000, fields + encoded, data))
    return b"".join([*parts, block(0x7B, 0x4000, b"")])


@pytest.fixture
def archive_file(tmp_path):
    """Write an archive's bytes to a file."""

    def write(content: bytes) -> Path:
        (tmp_path / "a.rar").write_bytes(content)
        return tmp_path / "a.rar"

    return write


def test_ensure_all_1600_clips_from_a_server_that_breaks_off(server):
    if not NAMES.exists():
        pytest.skip(f"no list of the real names at {NAMES}")
    clips = {f"UCF11_updated_mpg/{name}.mpg": name.encode() for name in NAMES.read_text().split()}
    server.content = rar(clips)
    server.limit = len(server.content) // 2 + 1
    folder = archive.ensure(server.url)
    unpacked = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.mpg")}
    assert len(unpacked) == 1600
    assert unpacked == clips
    first, *rest = asked = list(server.asked)
    assert first is None
    assert rest
    assert all(ranges.startswith("bytes=") for ranges in rest)
    assert archive.ensure(server.url) == folder
    assert server.asked == asked


@pytest.mark.slow
def test_fetch_resumes_at_the_next_try(server, tmp_path, monkeypatch):
    server.content, server.limit = bytes(range(256)) * 64, 0
    monkeypatch.setattr(archive, "MAX_FAILURES", 2)
    (tmp_path / PART).write_bytes(server.content[:1000])
    with pytest.raises(RunFailed, match=r"broke off after 1000 bytes .* the same command resumes"):
        archive.fetch(server.url, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PART]
    server.limit, server.first_shift = None, 7  # an answer of another part is not joined
    assert archive.fetch(server.url, tmp_path).read_bytes() == server.content
    with pytest.raises(RunFailed, match=r"http://127.0.0.1:9/a.rar: sends nothing \(.*refused"):
        archive.fetch("http://127.0.0.1:9/a.rar", tmp_path)


@pytest.mark.parametrize(
    "url", ["nowhere.rar", "file:///x.rar", "http://127.0.0.1", "http://a..b/x.rar", "{}/none.rar"]
)
def test_fetch_no_address_of_a_file_leaves_nothing(server, url, tmp_path):
    with pytest.raises(UserError, match="; give "):
        archive.fetch(url.format(server.url.rpartition("/")[0]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ensure_no_address_in_utf8():
    with pytest.raises(UserError, match="give the address in UTF-8"):
        archive.ensure("http://127.0.0.1/\udcff.rar")


def test_fetch_refused_later_keeps_what_it_has(server, tmp_path):
    (tmp_path / ".part-none.rar").write_bytes(b"x" * 1000)
    with pytest.raises(UserError, match="404"):
        archive.fetch(server.url.replace("UCF11_updated_mpg", "none"), tmp_path)
    assert (tmp_path / ".part-none.rar").stat().st_size == 1000


def test_ensure_an_address_without_a_suffix(server):
    server.content = rar({"a.mpg": b"x"})
    assert os.listdir(archive.ensure(server.url.replace(".rar", ""))) == ["a.mpg"]


def test_ensure_two_archives_of_one_name(server):
    folders = []
    for name in ("a.mpg", "b.mpg"):
        server.content = rar({name: b"x"})
        folders.append(archive.ensure(server.url.replace("/UCF11", f"/{name}/UCF11")))
    assert [os.listdir(folder) for folder in folders] == [["a.mpg"], ["b.mpg"]]


@pytest.mark.parametrize(
    ("ranges", "size", "asked"),
    [
        (True, 5000, ["bytes=5000-"]),
        (True, 6000, ["bytes=6000-", None]),  # the server's file is a shorter one now
        (False, 1000, ["bytes=1000-"]),
    ],
)
def test_fetch_continues_a_part(server, tmp_path, ranges, size, asked):
    server.content, server.ranges = os.urandom(5000), ranges
    (tmp_path / PART).write_bytes(server.content if size == 5000 else b"x" * size)
    assert archive.fetch(server.url, tmp_path).read_bytes() == server.content
    assert server.asked == asked


def test_ensure_compares_with_the_first_archive(server, tmp_path, monkeypatch):
    monkeypatch.setenv("UCF11_DATA", str(tmp_path))
    server.content = b"<html>a page before the archive"
    with pytest.raises(UserError, match=r"not a RAR archive .*; delete it and fetch it again"):
        archive.ensure(server.url)
    (path,) = tmp_path.rglob("*.rar")
    path.unlink()
    server.content = first = rar({"a.mpg": os.urandom(3000)})
    assert archive.ensure(server.url) == archive.ensure(server.url)
    assert len(server.asked) == 2
    path.write_bytes(b"damaged")
    archive.ensure(server.url)
    assert path.read_bytes() == first
    path.unlink()
    server.content = rar({"b.mpg": os.urandom(3000)})
    with pytest.raises(UserError, match=r"not the file downloaded first; delete .*sha256 if it"):
        archive.ensure(server.url)
    path.with_name(f"{path.name}.sha256").unlink()
    assert os.listdir(archive.ensure(server.url)) == ["b.mpg"]
    assert len(server.asked) == 4  # nothing is downloaded twice


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.rar: not a RAR archive"),
        (b"no archive", "a.rar: not a RAR archive"),
        *[(rar({"a.mpg": b"x" * 100})[:end], "a.rar: breaks off") for end in (20, 60, -7)],
        (rar({}), "or holds no file"),
        (rar({"a/x.mpg": b"1", "a\\x.mpg": b"2"}), "holds 'a/x.mpg', twice; pack it anew"),
        (rar({"a": b"1", "a/x.mpg": b"2"}), "holds a as a file and as a folder; pack it anew"),
        (rar({"x" * 300: b"1"}), "a name of more than 255 bytes; pack it anew"),
        (rar({"a.mpg": b"x" * 100}).replace(b"xxxx", b"xyxx", 1), "not unpacked .* fetch it again"),
        *[
            (rar({"good.mpg": b"x", name: b"x"}), "leads out of the folder")
            for name in ("../out.mpg", "a/../../out.mpg", "/tmp/out.mpg", "C:/out.mpg", "")
        ],
    ],
)
def test_unpack_refuses_damaged_and_dangerous_archives(archive_file, tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        archive.unpack(archive_file(content), tmp_path / "to/a")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.rar"]


@pytest.mark.parametrize("tool", archive.TOOLS)
def test_unpack_with_each_tool(tool, archive_file, tmp_path, monkeypatch):
    """Stored files need no tool, so the archive claims here that they are compressed."""
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    monkeypatch.setattr(archive.rarfile, "RAR_M0", -1)
    monkeypatch.setattr(archive, "TOOLS", {tool: archive.TOOLS[tool]})
    folder = archive.unpack(archive_file(rar({"b/c.mpg": b"abc" * 1000})), tmp_path / "to")
    assert (folder / "b/c.mpg").read_bytes() == b"abc" * 1000


def test_unpack_tries_each_tool_that_is_installed(archive_file, tmp_path, monkeypatch):
    file = archive_file(rar({"a.mpg": b"x" * 100}, method=0x33))
    monkeypatch.setattr(archive, "TOOLS", {"false": "false", "true": "true"})
    with pytest.raises(UserError, match=r"true: a\.mpg is missing or has another size"):
        archive.unpack(file, tmp_path / "to")
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nprintf %0100d 7 > $1/a.mpg\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(archive, "TOOLS", {"false": "false", "tool": f"{tool} {{to}}"})
    assert archive.unpack(file, tmp_path / "to") == tmp_path / "to"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"needs unar, bsdtar or 7z; .* apt-get install unar"):
        archive.unpack(file, tmp_path / "other")
