"""UCF-11's own archive: downloaded once, checked at each use, unpacked by an installed tool.

https://www.crcv.ucf.edu/data/UCF_YouTube_Action.php, for research use; Liu, Luo and Shah, 2009.
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
MAX_FAILURES = 5  # in a row without a byte
TIMEOUT_SECONDS = 60  # without a byte
# unar reads solid RAR3 and fails on some RAR5, bsdtar the reverse; either may be missing.
TOOLS = {
    "unar": "unar -quiet -force-overwrite -no-directory -output-directory {to} {archive}",
    "bsdtar": "bsdtar -x -f {archive} -C {to}",
    "7z": "7z x -y -bd -o{to} {archive}",
}


def ensure(url: str) -> Path:
    """Return the unpacked archive under `data/downloads`, downloaded and unpacked on first use."""
    downloads = paths.data_dir() / "downloads"
    archive = fetch(url, downloads)
    folder = downloads / archive.stem
    return folder if folder.exists() else unpack(archive, folder)


def fetch(url: str, folder: Path) -> Path:
    """Download `url` into `folder`, resuming where an earlier try broke off; return the file.

    The SHA-256 of the first download is saved beside the file and compared at every later use.

    Raises:
        RunFailed: the connection breaks off again and again; the next try resumes.
        UserError: a file that is not the one downloaded first.
    """
    name = PurePosixPath(url).name
    saved = folder / f"{name}.sha256"
    pooch.get_logger().setLevel("ERROR")
    digest = f"sha256:{saved.read_text().strip()}" if saved.exists() else None
    try:
        path = Path(pooch.retrieve(url, digest, fname=name, path=folder, downloader=_download))
    except ValueError:
        remedy = f"delete {saved} if it may have changed"
        raise UserError(f"{url}: not the file downloaded first; {remedy}") from None
    if digest is None:
        with paths.atomic_file(saved) as temporary:
            temporary.write_text(pooch.file_hash(str(path)) + "\n")
    return path


def _download(url: str, output_file: str, _: object) -> None:
    """Download for pooch, but keep the bytes of a download that breaks off."""
    part = Path(output_file).parent / f".part-{PurePosixPath(url).name}"
    failures = 0
    while failures < MAX_FAILURES:
        before = _size(part)
        try:
            _download_rest(url, part, before)
            shutil.move(part, output_file)
            return
        except requests.RequestException as error:
            failures = 0 if _size(part) > before else failures + 1
            reason = error
            time.sleep(min(failures, 1))
    raise RunFailed(f"{url}: broke off after {_size(part)} bytes ({reason}); the same command "
                    "resumes")  # fmt: skip


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _download_rest(url: str, part: Path, size: int) -> None:
    """Append the missing bytes of `url` to `part`; a server without ranges starts again."""
    headers = {"Range": f"bytes={size}-"} if size else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if response.headers.get("Content-Range") == f"bytes */{size}":
                return
            part.unlink()
            raise requests.RequestException("the server's file is another one now")
        response.raise_for_status()
        if not {"content-length", "transfer-encoding"} & {*map(str.lower, response.headers)}:
            raise requests.RequestException("the server does not tell where the file ends")
        resumed = response.status_code == requests.codes.partial_content
        begun = size if resumed else 0
        total = int(response.headers.get("Content-Length", 0)) + begun
        style = {"unit": "B", "unit_scale": True, "desc": part.name, "disable": None}
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(total=total or None, initial=begun, **style) as bar,
        ):
            for chunk in response.iter_content(1 << 16):
                bar.update(file.write(chunk))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a RAR archive into the new `folder`, complete or not at all, and return it.

    Raises:
        UserError: no RAR archive, names that lead out of `folder`, or no tool that can unpack it.
    """
    again = "delete it and fetch it again"
    try:
        with rarfile.RarFile(archive) as rar:
            members = rar.infolist()
    except (rarfile.Error, OSError) as error:
        raise UserError(f"{archive}: not a RAR archive ({error}); {again}") from None
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or member.is_symlink():
            raise UserError(f"{archive}: holds {member.filename!r}, which leads out of the folder")
    stored = all(member.is_dir() or member.compress_type == rarfile.RAR_M0 for member in members)
    tools = ["rarfile"] if stored else [name for name in TOOLS if shutil.which(name)]
    failures = [] if tools else ["it needs unar, bsdtar or 7z; on Debian: apt-get install unar"]
    for tool in tools:
        try:
            with paths.atomic_dir(folder) as temporary:
                _run(tool, archive, temporary)
                _check(members, temporary)
            return folder
        except (rarfile.Error, subprocess.CalledProcessError, FileNotFoundError) as error:
            output = getattr(error, "stderr", None) or str(error)
            failures.append(f"{tool}: {output.strip().splitlines()[-1]}")
    raise UserError(f"{archive}: not unpacked ({'; '.join(failures)}); if it is damaged, {again}")


def _run(tool: str, archive: Path, to: Path) -> None:
    if tool == "rarfile":  # nothing is compressed
        with rarfile.RarFile(archive) as rar:
            rar.extractall(to)
        return
    command = [word.format(to=to, archive=archive) for word in TOOLS[tool].split()]
    subprocess.run(command, capture_output=True, text=True, check=True)


def _check(members: list[rarfile.RarInfo], folder: Path) -> None:
    """Compare the unpacked files with the archive's own list."""
    for member in members:
        path = folder / member.filename.replace("\\", "/")
        if not member.is_dir() and not (path.is_file() and path.stat().st_size == member.file_size):
            raise FileNotFoundError(f"{member.filename} is missing or has another size")
