"""Export a run of a project to a new folder, and record that it left."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from curation.files import new_folder
from curation.project import Project
from curation.provenance.withdrawn import affected_note, refuse_affected
from curation.tables.withdrawals import AffectedKind
from train.adaptation.model_card import write_model_card
from train.adaptation.records import find_run
from train.adaptation.run_folder import load_run, write_inputs
from train.backbones.provenance import describe_features
from train.model_export.folder import write_folder
from train.model_export.onnx_file import FILE, write_onnx

Format = Literal["folder", "onnx"]
EXPORTED = "run.exported"


def export_run(
    project: Project, name: str, out: Path, format_name: Format, now: datetime, *, allow_affected: bool = False
) -> dict[str, Any]:
    """Write the run to the new folder `out`, whole or not at all, and return what the user is told.

    Raises AffectedRefused when the run descends from a withdrawn subject and that is not allowed, BadInput where the
    format cannot express it, Conflict when something is at `out`.
    """
    with project.database.read() as session:
        row = find_run(session, name)
        note = affected_note(session, AffectedKind.RUN, row.id)
    refuse_affected(f"run {name!r}", [note] if note else [], allow_affected)
    run = load_run(project.root / row.directory, "cpu")
    described = {**describe_features(run.model.backbone), **run.card["backbone"]}  # an earlier version noted less
    run = replace(run, card={**run.card, "backbone": described})
    facts: dict[str, Any] = {"run": name, "written": str(out), "format": format_name}
    with new_folder(out) as partial:
        if format_name == "folder":
            write_folder(run, partial)
        else:
            check = write_onnx(run, partial / FILE)
            facts |= {"largest difference from torch": check.difference, "largest logit": check.largest_logit}
            facts |= {"adapter": "merged into the weights"} if check.merged else {}
            write_inputs(partial, run.model, run.card)
            write_model_card(run.directory, run.card, partial)
    with project.database.write() as session:
        payload = {"run": row.id, "digest": run.card["digest"], "format": format_name}
        project.chain.record(session, EXPORTED, payload, now)
    return facts
