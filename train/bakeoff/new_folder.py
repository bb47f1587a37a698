"""Write the folder of a new bake-off: every adaptation that fits the backbone, and the controls."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from curation.errors import BadInput
from curation.files import new_folder
from train.adaptation.methods.implementation import find_implementation
from train.adaptation.rows.table import METHODS
from train.backbones.load import Backbone
from train.bakeoff.contestants import PLAN
from train.bakeoff.controls import CONTROLS
from train.bakeoff.plan import BakeoffPlan

TITLE = "# What every contestant gets. A file beside this one has the differences of one contestant.\n"


def write_new_folder(folder: Path, plan: BakeoffPlan, backbone: Backbone) -> dict[str, str]:
    """Write `folder` whole or not at all; returns the adaptations that do not fit the backbone, each with its reason.

    Raises Conflict where there is something at `folder`.
    """
    left_out: dict[str, str] = {}
    with new_folder(folder) as partial:
        (partial / PLAN).write_text(TITLE + as_toml(plan.model_dump(mode="json")))
        for control in CONTROLS.values():
            entries = {"control": control.name, **control.entries}
            (partial / f"{control.name}.toml").write_text(f"# {control.summary}.\n{as_toml(entries)}")
        for name, settings in METHODS.items():
            try:
                find_implementation(settings()).check(backbone, settings())
            except BadInput as error:
                left_out[name] = str(error)
                continue
            (partial / f"{name}.toml").write_text("\n".join(_lines(name, settings.defaults())) + "\n")
    return left_out


def _lines(name: str, defaults: Mapping[str, Any]) -> Iterator[str]:
    """The file of an adaptation: its settings stand as comments, at their defaults."""
    row = METHODS[name].row
    yield f"# {row.summary} ({row.paper})."
    yield f'adaptation = "{name}"'
    yield f"# learning_rate = {row.learning_rate:g}"
    yield from (f"# {entry} = {value:g}" for entry, value in defaults.items() if isinstance(value, int | float))


def as_toml(entries: Mapping[str, Any]) -> str:
    """Write flat entries as TOML: text, numbers and lists of numbers."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in entries.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list | tuple) else repr(value)
