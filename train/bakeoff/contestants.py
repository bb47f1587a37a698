"""Read the folder of a bake-off: its plan, and one file of differences a contestant. Torch-free."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import BadInput, NotFound
from curation.requests import check_name
from train.adaptation.config import AdaptationConfig
from train.adaptation.rows.table import METHODS
from train.bakeoff.controls import CONTROLS, Control
from train.bakeoff.plan import BakeoffPlan

PLAN = "bakeoff.toml"
KINDS = (".toml", ".json")
OF_THE_PLAN = ("seed", "patience", "epochs", "allow_unknown_provenance")  # one value for all, so that they compare


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to adapt, with its configuration; or a control, which takes what applies of one."""

    name: str
    config: AdaptationConfig
    control: Control | None = None

    @property
    def method(self) -> str:
        """The name of the adaptation or of the control."""
        return self.control.name if self.control else self.config.method.kind

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in a table: controls first, then in the order of the table of adaptations."""
        return [*CONTROLS, *METHODS].index(self.method), self.name


def read_plan(folder: Path, **changes: Any) -> BakeoffPlan:
    """Read the plan in `folder`; changes that are not None replace its entries. Raises NotFound without one."""
    if not (folder / PLAN).is_file():
        raise NotFound(f"{folder} is no bake-off: expected {PLAN} in it. `rounds bakeoff FOLDER --new` writes one.")
    values = _read(folder / PLAN) | {name: value for name, value in changes.items() if value is not None}
    return BakeoffPlan.checked(**values)


def read_contestants(folder: Path, plan: BakeoffPlan, *, allow_unknown_provenance: bool = False) -> list[Contestant]:
    """Read every file of `folder` but the plan; raises BadInput that names the file at fault, or where there is none.

    Every step is taken and none stops early, so that all have one budget.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix in KINDS and path.name != PLAN)
    names = [path.stem for path in paths]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"{folder}: two files of the contestants {', '.join(repeated)}. Remove or rename one of each.")
    if not paths:
        raise BadInput(f"{folder} has no contestants: expected a file NAME.toml or NAME.json of each beside {PLAN}.")
    fixed = {"allow_unknown_provenance": allow_unknown_provenance, "patience": None}
    read = [_contestant(path, plan.entries(), fixed) for path in paths]
    return sorted(read, key=lambda contestant: contestant.place)


def _contestant(path: Path, of_all: dict[str, Any], fixed: dict[str, Any]) -> Contestant:
    values = _read(path)
    if other := sorted(set(values) & set(OF_THE_PLAN)):
        raise BadInput(f"{path}: {', '.join(other)} cannot differ between contestants. Take it out; see {PLAN}.")
    name = values.pop("control", None)
    if (name is None) == ("adaptation" not in values):
        raise BadInput(f"{path}: expected either an adaptation or a control. `rounds adaptations` lists the first.")
    if name is not None and name not in CONTROLS:
        raise BadInput(f"{path}: expected a control of {', '.join(CONTROLS)}, got {name!r}.")
    control = CONTROLS[name] if name is not None else None
    try:
        if control:
            values = {"adaptation": control.settings_of, **control.entries, **values}
        elif (moves := METHODS.get(str(values["adaptation"]))) and not moves.row.frozen_encoder:
            values = {"start": "probe", **values}
        config = AdaptationConfig.checked(**of_all | values | fixed)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return Contestant(check_name(path.stem, "contestant"), config, control)


def _read(path: Path) -> dict[str, Any]:
    """Read a file of entries; raises BadInput where it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, OSError) as error:
        raise BadInput(f"{path}: expected entries as {path.suffix[1:].upper()}, but {error}. Correct it.") from error
    if not isinstance(values, dict):
        raise BadInput(f"{path}: expected entries under names, got {type(values).__name__}. Correct it.")
    return values
