"""The environment is the pinned one, without torchvision and without traces of one machine."""

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCK = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]


def test_torchvision_is_absent() -> None:
    # Beside this torch build its presence breaks DINOv2, the image processors, peft and torchmetrics.
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("torchvision")
    assert not [line for line in LOCK if line.startswith("torchvision")]


def test_torch_is_the_pinned_version() -> None:
    assert metadata.version("torch").split("+")[0] == "2.13.0"
    assert "torch==2.13.0" in LOCK


@pytest.mark.parametrize("line", LOCK)
def test_every_locked_version_is_exact_and_public(line: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z]+\])?==[A-Za-z0-9.!]+", line), line


def test_what_is_installed_is_what_is_locked() -> None:
    for line in LOCK:
        name, version = line.split("==")
        assert metadata.version(name.split("[")[0]).split("+")[0] == version, line


def test_what_is_shipped_stays_small_and_cannot_execute() -> None:
    for directory in (ROOT / "generate" / "shipped", ROOT / "train" / "shipped"):
        files = [path for path in directory.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files if path.suffix == ".safetensors") <= 25 * 2**20
        assert {path.suffix for path in files} <= {".json", ".safetensors", ".png", ".md"}


def test_no_file_names_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    home = str(Path.home()) + "/"
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".json", ".js", ".css", ".html", ".lock"} and path.is_file():
            assert home not in path.read_text(), name
