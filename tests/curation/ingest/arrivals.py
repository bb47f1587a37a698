"""An arrival for tests of staging, apart from them: their child processes import nothing else."""

from curation.ingest.arrival import Arrival


def numbered_arrival(number: int, note: str = "") -> Arrival:
    """An image of its own subject, with a note of any length."""
    return Arrival(
        source_file=f"{number}.png",
        labels=(("normal", 1.0),),
        subject_key=f"p{number}",
        subject_known=True,
        split=None,
        pixel_sha256=f"{number:064x}",
        file_sha256=f"{number + 1:064x}",
        shape=(8, 8, 1),
        bits=8,
        notes=(note,) if note else (),
    )
