"""The course of a fit as a file that grows with it: a line of JSON at every evaluation. Torch-free."""

import json
import os
from pathlib import Path
from typing import Any

CURVE, SUFFIX = "curve", ".jsonl"


def curve_beside(checkpoint: Path, fit: str) -> Path:
    """The curve of the fit that has this checkpoint, in the folder of what is fitted: a fit of a soup has its own."""
    return checkpoint.parent.parent / f"{checkpoint.stem.replace(fit, CURVE)}{SUFFIX}"


def add_point(path: Path, step: int, measures: dict[str, float]) -> None:
    """Append the measures at a step; a fit that resumed takes the lines of later steps and a torn one out first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"step": step, **measures}) + "\n"
    standing = read_curve(path)
    is_torn = path.is_file() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    kept = [point for point in standing if point["step"] < step]
    if is_torn or len(kept) < len(standing):
        partial = path.with_suffix(".part")
        partial.write_text("".join(json.dumps(point) + "\n" for point in kept) + line)
        os.replace(partial, path)
        return
    with path.open("a") as file:
        file.write(line)


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Read the points so far; a line that is still being written is left out."""
    points = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            points.append(dict(json.loads(line)))
        except ValueError:
            continue
    return points


def read_curves(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the curves in a folder by their names; several where a soup was fitted."""
    paths = sorted(directory.glob(f"{CURVE}*{SUFFIX}"), key=lambda path: (len(path.stem), path.stem))
    return {path.stem: points for path in paths if (points := read_curve(path))}


def remove_curves(directory: Path) -> None:
    """Remove the curves of a fit that left nothing."""
    for path in directory.glob(f"{CURVE}*{SUFFIX}"):
        path.unlink()
