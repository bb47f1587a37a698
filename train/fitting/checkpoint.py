"""The checkpoint of an unfinished fit: whole after `kill -9`, refused by another fit."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from curation.errors import Conflict, Damaged
from curation.files import whole_file

FORMAT = "rounds-fit/2"
RANDOM_LETTERS = 6  # in the name of a hidden file of safetensors
CHECKPOINTS = "checkpoints"  # the folder inside that of a fit, removed when the fit has finished


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file with the state of one fit; `fit` names the recipe and the images of that fit."""

    path: Path
    fit: str

    def write(self, state: dict[str, Any]) -> None:
        """Write `state`, which replaces the last one whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as partial:
            torch.save({"format": FORMAT, "fit": self.fit, **state}, partial)

    def read(self) -> dict[str, Any] | None:
        """Read the state; None without a file.

        Raises Damaged for a torn file, Conflict for the checkpoint of another fit or of an earlier version.
        """
        if not self.path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True, map_location="cpu")
        except Exception as error:
            raise Damaged(f"checkpoint {self.path} does not load: {error}. Delete it to start anew.") from error
        if state.get("format") != FORMAT:
            raise Conflict(
                f"checkpoint {self.path} is of an earlier version and cannot be continued. Delete it to start anew."
            )
        if state["fit"] != self.fit:
            raise Conflict(
                f"checkpoint {self.path} belongs to a fit of another recipe or of other images. Finish that fit, "
                "delete its directory, or choose another."
            )
        return state


def remove_checkpoints(directory: Path) -> None:
    """Remove the checkpoints of the finished fit in `directory`."""
    shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)


def remove_unfinished_weights(directory: Path) -> None:
    """Remove the hidden files that safetensors writes before it renames them, where a process was killed meanwhile.

    Call it before weights are saved, as the one process that makes what is in `directory`.
    """
    for path in directory.rglob(f".tmp{'?' * RANDOM_LETTERS}"):
        path.unlink(missing_ok=True)
