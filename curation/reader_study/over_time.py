"""Reading over time: hidden repeats, drift within a sitting, speed against accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from curation.estimates import Estimate, Numbers, bootstrapped, difference_of_proportions, proportion
from curation.reader_study.agreement import kappa
from curation.reader_study.table import StudyRow, StudyTable
from curation.tables.reading import AssignmentPurpose, Purpose, Verdict

FEWEST_PAIRS = 20
FEWEST_TIMES = 20
FEWEST_CONTROLS = 30
CONTROLS = (Purpose.REAL_CONTROL, Purpose.DEFECT_CONTROL)  # a gate audit is of unknown truth
SITTING_GAP = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class ReadingOverTime:
    """One reader over time."""

    reader: str
    repeats_alike: Estimate  # share of hidden repeats read as before
    repeats_kappa: Estimate
    median_s: Estimate  # per image, idle time left out
    accepted_early: Estimate  # of candidates, in the first third of each sitting
    accepted_late: Estimate  # in the last third
    accept_drift: Estimate  # late less early
    right_drift: Estimate  # of controls, the share read rightly, late less early
    right_fast: Estimate  # of controls read faster than the reader's median, share read rightly
    right_slow: Estimate


def reading_over_time(table: StudyTable, reader: str, random: np.random.Generator) -> ReadingOverTime:
    """Compute how one reader's single readings change over time; `table` holds first readings and repeats."""
    alike, repeats_kappa = _repeats(table, random)
    blind = table.blind()
    times = np.array([row.elapsed_ms / 1000 for row in blind.rows if row.elapsed_ms is not None], dtype=np.float64)
    candidates = [row for row in blind.rows if row.purpose is Purpose.CANDIDATE]
    early, late = _thirds(blind.rows, {row.item_id: row.verdict is Verdict.ACCEPT for row in candidates})
    controls = [row for row in blind.rows if row.purpose in CONTROLS]
    right_early, right_late = _thirds(blind.rows, {row.item_id: is_right(row) for row in controls})
    fast, slow = _by_speed(blind.rows)
    return ReadingOverTime(
        reader,
        alike,
        repeats_kappa,
        bootstrapped(times, lambda drawn: float(np.median(drawn)), random, FEWEST_TIMES),
        proportion(int(early.sum()), len(early), FEWEST_TIMES),
        proportion(int(late.sum()), len(late), FEWEST_TIMES),
        _difference(late, early),
        _difference(right_late, right_early),
        proportion(int(fast.sum()), len(fast), FEWEST_CONTROLS),
        proportion(int(slow.sum()), len(slow), FEWEST_CONTROLS),
    )


def _repeats(table: StudyTable, random: np.random.Generator) -> tuple[Estimate, Estimate]:
    """Compute a reader's agreement with themselves on hidden repeats."""
    first = {row.item_id: row.verdict for row in table.blind().rows}
    again = [row for row in table.rows if row.given_as is AssignmentPurpose.REPEAT and row.mode == "single"]
    pairs = [(first[row.item_id], row.verdict) for row in again if row.item_id in first]
    alike = proportion(sum(before is after for before, after in pairs), len(pairs), FEWEST_PAIRS)
    return alike, kappa(pairs, random, FEWEST_PAIRS, "repeats")


def sittings(rows: Sequence[StudyRow]) -> list[list[StudyRow]]:
    """Split the readings of one reader where there is a gap of more than thirty minutes."""
    runs: list[list[StudyRow]] = []
    for row in sorted(rows, key=lambda row: (row.read_at, row.reading_id)):
        if not runs or row.read_at - runs[-1][-1].read_at > SITTING_GAP:
            runs.append([])
        runs[-1].append(row)
    return runs


def _thirds(rows: Sequence[StudyRow], values: dict[int, bool]) -> tuple[Numbers, Numbers]:
    """Collect the values of the items in the first and in the last third of each sitting."""
    early: list[bool] = []
    late: list[bool] = []
    for run in sittings(rows):
        third = len(run) // 3
        for place, row in enumerate(run):
            if row.item_id in values and place < third:
                early.append(values[row.item_id])
            elif row.item_id in values and place >= len(run) - third:
                late.append(values[row.item_id])
    return np.array(early, dtype=np.float64), np.array(late, dtype=np.float64)


def _difference(late: Numbers, early: Numbers) -> Estimate:
    n = len(late) + len(early)
    if min(len(late), len(early)) < FEWEST_TIMES:
        return Estimate.none(n, f"too few: {min(len(late), len(early))} of {FEWEST_TIMES} in a third needed")
    return difference_of_proportions(int(late.sum()), len(late), int(early.sum()), len(early))


def is_right(row: StudyRow) -> bool:
    """Whether a control was read rightly: a defect rejected, a real image accepted."""
    return row.verdict is (Verdict.REJECT if row.purpose is Purpose.DEFECT_CONTROL else Verdict.ACCEPT)


def _by_speed(rows: Sequence[StudyRow]) -> tuple[Numbers, Numbers]:
    timed = [row for row in rows if row.purpose in CONTROLS and row.elapsed_ms is not None]
    if not timed:
        return np.zeros(0), np.zeros(0)
    median = float(np.median([row.elapsed_ms or 0 for row in timed]))
    fast = [is_right(row) for row in timed if (row.elapsed_ms or 0) <= median]
    slow = [is_right(row) for row in timed if (row.elapsed_ms or 0) > median]
    return np.array(fast, dtype=np.float64), np.array(slow, dtype=np.float64)
