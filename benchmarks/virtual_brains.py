"""How fast the virtual cohort is rendered, and what full-size Gaussian filters would cost.

python benchmarks/virtual_brains.py [SUBJECTS]
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from curation.ingest.virtual_brains.anatomy import FIELD_OF_VIEW_MM, Warp, smooth_field
from curation.ingest.virtual_brains.render import cohort_numbers, render, render_many

FLOOR_PER_S = 40.0  # on two cores


def naive_fields(rng: np.random.Generator) -> None:
    """One subject's two-scale displacement the usual way: white noise at 1 mm, blurred to the same smoothness."""
    n = int(FIELD_OF_VIEW_MM)
    for knots in (4, 11):
        for _ in range(3):
            ndimage.gaussian_filter(rng.normal(0, 1, (n, n)), sigma=0.58 * n / knots)


def spline_fields(warp: Warp) -> None:
    """The same displacement from control points."""
    for control in (*warp.coarse_mm, *warp.fine_mm):
        smooth_field(control, 128)


def milliseconds(action: Callable[[], None], repeats: int = 50) -> float:
    """Median wall time of an action."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def subjects_per_s(count: int, workers: int) -> float:
    """Rate over a whole stream as an import meets it: starting processes and reading the template included."""
    start = time.perf_counter()
    drawn = sum(1 for _ in render_many(cohort_numbers(count), workers))
    return drawn / (time.perf_counter() - start)


def busy_ms(count: int) -> float:
    """Processor time per subject on one core, which other work on the machine hardly changes."""
    start = time.process_time()
    for number in cohort_numbers(count):
        render(number)
    return (time.process_time() - start) / count * 1e3


def main() -> None:
    """Print the rates and the ratio to the naive way."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    start = time.perf_counter()
    render(0)
    print(f"first subject, with reading the template: {time.perf_counter() - start:.2f} s")
    busy = busy_ms(count // 4)
    print(f"processor time per subject: {busy:.1f} ms")
    slow, fast = subjects_per_s(count, 1), subjects_per_s(count, 2)
    print(f"subjects per second: {slow:.0f} on one core, {fast:.0f} on two (floor {FLOOR_PER_S:.0f} on two)")
    rng = np.random.default_rng(0)
    warp = Warp.draw(rng)
    naive, spline = milliseconds(lambda: naive_fields(rng)), milliseconds(lambda: spline_fields(warp))
    print(f"displacement fields of a subject: {spline:.2f} ms from control points, {naive:.2f} ms as Gaussian filters")
    print(f"ratio: {naive / spline:.0f} for the fields, {(busy - spline + naive) / busy:.1f} for a subject")


if __name__ == "__main__":
    main()
