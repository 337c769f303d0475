"""UCF-11's own archive: fetched once and checked ever after, unpacked by whichever tool is there.

https://www.crcv.ucf.edu/data/UCF_YouTube_Action.php, for research use; Liu, Luo and Shah, CVPR 2009.
"""

import shutil
import subprocess
import time
from pathlib import Path, PurePosixPath

import pooch
import rarfile
import requests
from tqdm import tqdm

from ucf11lib import paths
from ucf11lib.errors import RunFailed, UserError

URL = "https://www.crcv.ucf.edu/data/UCF11_updated_mpg.rar"
TRIES = 5  # in a row that bring nothing
TIMEOUT = 60  # seconds without a byte
# unar reads solid RAR3 and fails on some RAR5, bsdtar the other way round; either may be missing.
TOOLS = {
    "unar": ["unar", "-quiet", "-force-overwrite", "-no-directory", "-output-directory", "{to}", "{archive}"],
    "bsdtar": ["bsdtar", "-x", "-f", "{archive}", "-C", "{to}"],
    "7z": ["7z", "x", "-y", "-bd", "-o{to}", "{archive}"],
}


def ensure(url: str) -> Path:
    """Return the unpacked archive's folder under `data/downloads`, fetched and unpacked on first use."""
    downloads = paths.data_dir() / "downloads"
    archive = fetch(url, downloads)
    folder = downloads / archive.stem
    return folder if folder.exists() else unpack(archive, folder)


def fetch(url: str, folder: Path) -> Path:
    """Download `url` into `folder`, going on where an earlier try broke off; return the file.

    The SHA-256 of the first download is kept beside the file, and every later use is held against it.

    Raises:
        RunFailed: the connection breaks off again and again; what came is kept for the next try.
        UserError: a file that is not the one downloaded first.
    """
    name = PurePosixPath(url).name
    kept = folder / f"{name}.sha256"
    pooch.get_logger().setLevel("ERROR")  # it says where and what, as the line below does
    known = f"sha256:{kept.read_text().strip()}" if kept.exists() else None
    try:
        path = Path(pooch.retrieve(url, known, fname=name, path=folder, downloader=_resuming))
    except ValueError:
        raise UserError(
            f"{url}: not the file that was downloaded first; delete {kept} if it may have changed"
        ) from None
    if known is None:
        with paths.whole_file(kept) as temporary:
            temporary.write_text(pooch.file_hash(str(path)) + "\n")
    return path


def _resuming(url: str, output_file: str, _: object) -> None:
    """Download as pooch wants it done, but keep what came of a download that breaks off."""
    part = Path(output_file).parent / f".part-{PurePosixPath(url).name}"
    failures = 0
    while failures < TRIES:
        before = part.stat().st_size if part.exists() else 0
        try:
            _fetch_rest(url, part, before)
        except requests.RequestException as error:
            progress = part.exists() and part.stat().st_size > before
            failures = 0 if progress else failures + 1
            reason = error
            time.sleep(min(failures, 1))
        else:
            shutil.move(part, output_file)
            return
    come = part.stat().st_size if part.exists() else 0
    raise RunFailed(f"{url}: broke off after {come} bytes ({reason}); the same command goes on from there")


def _fetch_rest(url: str, part: Path, have: int) -> None:
    """Append what is missing of `url` to `part`; a server that cannot start in the middle starts again."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
            raise requests.RequestException("the server's file is not the one that was begun with")
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        total = int(response.headers.get("Content-Length", 0)) + (have if resumed else 0)
        bar = tqdm(total=total or None, initial=have * resumed, unit="B", unit_scale=True, desc=part.name, disable=None)
        with part.open("ab" if resumed else "wb") as file, bar:
            for chunk in response.iter_content(1 << 16):
                file.write(chunk)
                bar.update(len(chunk))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a RAR archive into the new `folder`, whole or not at all, and return it.

    Raises:
        UserError: no RAR archive, one whose names lead out of `folder`, or no tool that can unpack it.
    """
    try:
        with rarfile.RarFile(archive) as rar:
            members = rar.infolist()
    except (rarfile.Error, OSError) as error:
        raise UserError(f"{archive}: not a RAR archive ({error}); delete it and fetch it again") from None
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or member.is_symlink():
            raise UserError(f"{archive}: holds {member.filename!r}, which leads out of the folder; it is not UCF-11's")
    stored = all(member.is_dir() or member.compress_type == rarfile.RAR_M0 for member in members)
    tools = ["rarfile"] if stored else [name for name in TOOLS if shutil.which(name)]
    if not tools:
        raise UserError(f"{archive}: unpacking needs unar, bsdtar or 7z, and none is there; "
                        "on Debian and Ubuntu: apt-get install unar")  # fmt: skip
    failures = []
    for tool in tools:
        try:
            with paths.whole_dir(folder) as temporary:
                _run(tool, archive, temporary)
                _check(members, temporary)
            return folder
        except (_ToolError, rarfile.Error) as error:
            failures.append(f"{tool}: {error}")
    missing = [name for name in TOOLS if not shutil.which(name)]
    also = f"; not tried, because not there: {', '.join(missing)}" if missing and not stored else ""
    raise UserError(
        f"{archive}: not unpacked ({'; '.join(failures)}){also}; if it is damaged, delete it and fetch it again"
    )


class _ToolError(Exception):
    """Says why; the next tool is tried."""


def _run(tool: str, archive: Path, to: Path) -> None:
    if tool == "rarfile":  # nothing is compressed, so nothing but the format has to be known
        with rarfile.RarFile(archive) as rar:
            rar.extractall(to)
        return
    command = [word.format(to=to, archive=archive) for word in TOOLS[tool]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise _ToolError(lines[-1] if lines else f"exit code {done.returncode}")


def _check(members: list[rarfile.RarInfo], folder: Path) -> None:
    """Hold what was unpacked against the archive's own list."""
    for member in members:
        path = folder / member.filename.replace("\\", "/")
        if not member.is_dir() and not (path.is_file() and path.stat().st_size == member.file_size):
            raise _ToolError(f"{member.filename} is missing or has another size")
