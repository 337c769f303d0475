"""UCF-11's own archive: downloaded once, checked at each use, unpacked by an installed tool.

https://www.crcv.ucf.edu/data/UCF_YouTube_Action.php, for research use; Liu, Luo and Shah, 2009.
"""

import hashlib
import re
import shutil
import subprocess
import time
from pathlib import Path, PurePosixPath

import rarfile
import requests
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError
from ucf11lib.runs.parsing import check_utf8

URL = "https://www.crcv.ucf.edu/data/UCF11_updated_mpg.rar"
MAX_NAME = 255  # bytes of a file's name, on every usual file system
MAX_FAILURES = 5  # in a row without a byte
TIMEOUT_SECONDS = 60  # without a byte
# unar reads solid RAR3 and fails on some RAR5, bsdtar the reverse; either may be missing.
TOOLS = {
    "unar": "unar -quiet -force-overwrite -no-directory -output-directory {to} {archive}",
    "bsdtar": "bsdtar -x -f {archive} -C {to}",
    "7z": "7z x -y -bd -o{to} {archive}",
}


def ensure(url: str) -> Path:
    """Return the unpacked archive under `data/downloads`, downloaded and unpacked on first use.

    Each URL has a folder of its own there: two archives may have one name. The SHA-256 of the first
    archive that was unpacked is saved beside it; a server may answer with a page before.
    """
    check_utf8(url, "give the address in UTF-8")
    digits = hashlib.sha256(url.encode()).hexdigest()[:8]
    downloads = paths.data_dir() / "downloads" / digits
    with paths.lock(downloads / ".lock"):
        archive = fetch(url, downloads)
        folder = downloads / "unpacked" / archive.stem
        saved = _digest_file(archive)
        if not (saved.exists() and folder.exists()):
            shutil.rmtree(folder, ignore_errors=True)  # it may be of an earlier archive
            unpack(archive, folder)
            with paths.atomic_file(saved) as temporary:
                temporary.write_text(paths.sha256(archive) + "\n")
        return folder


def _digest_file(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")


def fetch(url: str, folder: Path) -> Path:
    """Download `url` into `folder`, resuming where an earlier try broke off; return the file.

    Where a SHA-256 is saved beside the file, it is compared at every use; what differs is fetched
    again. Raises `RunFailed` if the connection breaks off again and again, where the next try
    resumes, and `UserError` on no URL, an answer that refuses, or a file of another SHA-256, which
    stays for a user who trusts it.
    """
    path = folder / PurePosixPath(url).name
    saved = _digest_file(path)
    first = saved.read_text().strip() if saved.exists() else ""
    if not path.exists() or (first and paths.sha256(path) != first):
        part = folder / f".part-{path.name}"
        _download(url, part)
        part.replace(path)
        if first and paths.sha256(path) != first:
            remedy = f"delete {saved} if it may have changed"
            raise UserError(f"{url}: not the file downloaded first; {remedy}")
    return path


def _download(url: str, part: Path) -> None:
    """Download `url` to `part`, and keep the bytes of a download that breaks off."""
    if not re.match(r"https?://[^/]+/.*[^/]$", url):
        raise UserError(f"{url}: no address of a file; give http://... or https://...")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    failures = 0
    while failures < MAX_FAILURES:
        before = part.stat().st_size
        try:
            _download_rest(url, part, before)
            return
        except (requests.RequestException, ValueError) as error:
            answer = getattr(getattr(error, "response", None), "status_code", None)
            if isinstance(error, ValueError) or answer in (401, 403, 404, 410):
                if not before:
                    part.unlink()
                raise UserError(f"{url}: {error}; give the address of the archive") from None
            failures = 0 if part.stat().st_size > before else failures + 1
            size = part.stat().st_size
            reason = f"{f'broke off after {size} bytes' if size else 'sends nothing'} ({error})"
            time.sleep(min(failures, 1))
    raise RunFailed(f"{url}: {reason}; the same command resumes")


def _download_rest(url: str, part: Path, size: int) -> None:
    """Append the missing bytes of `url` to `part`; a server without ranges starts again."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={size}-"} if size else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        given = response.headers
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if given.get("Content-Range") == f"bytes */{size}":
                return
            part.write_bytes(b"")
            raise requests.RequestException("the server's file is another one now")
        response.raise_for_status()
        if "Content-Length" not in given and "Transfer-Encoding" not in given:
            raise requests.RequestException("the server does not tell where the file ends")
        begun = size if response.status_code == requests.codes.partial_content else 0
        if begun and not given.get("Content-Range", "").startswith(f"bytes {size}-"):
            part.write_bytes(b"")
            raise requests.RequestException("the server sends another part than it was asked for")
        total = int(given["Content-Length"]) + begun if "Content-Length" in given else None
        style = {"unit": "B", "unit_scale": True, "desc": part.name, "disable": None}
        with (
            part.open("ab" if begun else "wb") as file,
            tqdm(total=total, initial=begun, **style) as bar,
        ):
            for chunk in response.iter_content(1 << 16):
                bar.update(file.write(chunk))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a RAR archive into the new `folder`, complete or not at all, and return it.

    Raises `UserError` on no RAR archive, see also `_check_names`, or no tool to unpack it.
    """
    again = "delete it and fetch it again"
    kinds = []
    try:
        rar = rarfile.RarFile(archive, info_callback=lambda block: kinds.append(block.type))
    except (rarfile.Error, OSError) as error:
        other = "give the address of one"
        raise UserError(f"{archive}: not a RAR archive ({error}); {again}, or {other}") from None
    _check_names(archive, rar.infolist())
    files = [member for member in rar.infolist() if not member.is_dir()]
    if not files or rarfile.RAR_BLOCK_ENDARC not in kinds:
        raise UserError(f"{archive}: breaks off before its end, or holds no file; {again}")
    if all(member.compress_type == rarfile.RAR_M0 for member in files):
        tools = ["rarfile"]  # nothing is compressed
    else:
        tools = [name for name in TOOLS if shutil.which(name)]
    failures = [] if tools else ["it needs unar, bsdtar or 7z; on Debian: apt-get install unar"]
    for tool in tools:
        try:
            with paths.atomic_dir(folder) as temporary:
                if tool == "rarfile":
                    rar.extractall(temporary)
                else:
                    names = {"to": temporary, "archive": archive}
                    command = [word.format(**names) for word in TOOLS[tool].split()]
                    subprocess.run(command, capture_output=True, text=True, check=True)
                _check(files, temporary)
            return folder
        except (rarfile.Error, subprocess.CalledProcessError, FileNotFoundError) as error:
            output = getattr(error, "stderr", None) or str(error)
            failures.append(f"{tool}: {output.strip().splitlines()[-1]}")
    raise UserError(f"{archive}: not unpacked ({'; '.join(failures)}); if it is damaged, {again}")


def _check_names(archive: Path, listed: list[rarfile.RarInfo]) -> None:
    """Raise a `UserError` for names that lead out of the folder, or that cannot all be in it."""
    members: set[PurePosixPath] = set()
    for member in listed:
        path = _path_of(member)
        outside = path.is_absolute() or ".." in path.parts or member.is_symlink()
        if outside or not path.parts or ":" in path.parts[0]:  # a drive of Windows
            raise UserError(f"{archive}: holds {member.filename!r}, which leads out of the folder")
        if path in members or any(len(part.encode()) > MAX_NAME for part in path.parts):
            problem = "twice" if path in members else f"a name of more than {MAX_NAME} bytes"
            raise UserError(f"{archive}: holds {str(path)[:100]!r}, {problem}; pack it anew")
        members.add(path)
    inside = {folder for file in members for folder in file.parents}
    if both := sorted(inside & {_path_of(one) for one in listed if not one.is_dir()}):
        raise UserError(f"{archive}: holds {both[0]} as a file and as a folder; pack it anew")


def _path_of(member: rarfile.RarInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _check(files: list[rarfile.RarInfo], folder: Path) -> None:
    """Compare the unpacked files with the archive's own list."""
    for member in files:
        path = folder / _path_of(member)
        if not path.is_file() or path.stat().st_size != member.file_size:
            raise FileNotFoundError(f"{member.filename} is missing or has another size")
        path.chmod(0o644)  # without the archive's own bits, such as set-uid
