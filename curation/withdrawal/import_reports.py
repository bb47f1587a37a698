"""Strike the file names of a withdrawn subject from import reports; the entries stay and are counted.

A report's digest is in the chain of events, so what a withdrawal leaves of it is recorded with a digest of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.digests import digest_of
from curation.queries import chunks
from curation.tables.images import Image, Import

WITHDRAWN = "withdrawn"
CHANGED = "import.names_removed"
LISTS = ("rejected", "duplicates", "burnt_in")
NAMES = ("source_file", "of_file")


def file_names_of(session: Session, image_ids: Sequence[int]) -> set[str]:
    """Find the names of the files that images came from; a withdrawal removes them."""
    names: set[str] = set()
    for chunk in chunks(image_ids):
        query = select(Image.source_file).where(Image.id.in_(chunk))
        names.update(session.scalars(query.where(Image.source_file.is_not(None))))
    return names


def forget_file_names(session: Session, chain: Chain, now: datetime, withdrawal_id: int, names: set[str]) -> int:
    """Write `withdrawn` for each of `names` in the reports of all imports; return how many entries changed."""
    changed = 0
    for row in session.scalars(select(Import).order_by(Import.id)) if names else ():
        lists = {key: [_without(entry, names) for entry in row.report.get(key, ())] for key in LISTS}
        entries = sum(new != old for key in LISTS for new, old in zip(lists[key], row.report.get(key, ()), strict=True))
        if entries:
            report = {**row.report, **lists}
            payload = {"withdrawal": withdrawal_id, "entries": entries, "report_digest": digest_of(report)}
            with chain.change(session, CHANGED, row, payload, now):
                row.report = report
            changed += entries
    return changed


def _without(entry: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    struck = {key: WITHDRAWN for key in NAMES if entry.get(key) in names}
    if "of_file" in struck and entry["kind"] == "same subject":
        struck["source_file"] = WITHDRAWN  # a file that was left out and showed the subject too
    return {**entry, **struck}
