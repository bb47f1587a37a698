"""Choose the penalty by leaving out each subject in turn, in closed form.

With H the hat matrix, the residuals r of a subject's images turn into those of a fit without them by (I - H)⁻¹ r.
"""

import numpy as np

from train.sums.rows import Rows
from train.sums.solve import PENALTIES, Spectrum
from train.sums.sums import Sums


def choose_by_subjects(rows: Rows, sums: Sums, spectrum: Spectrum) -> float:
    """Choose the penalty whose fits without each subject predict its images best; `sums` are those of `rows`."""
    roots = np.sqrt(rows.weights / sums.total)[:, None]
    inputs = ((rows.features - spectrum.mean) / spectrum.scale) @ spectrum.vectors * roots  # (N, D)
    index = {name: place for place, name in enumerate(sums.classes)}
    targets = np.eye(len(sums.classes))[[index[image.label] for image in rows.images]] - spectrum.shares
    units = list(rows.units())
    errors = {}
    for penalty in PENALTIES:
        shrunk = inputs / (spectrum.values + penalty)
        residuals = targets * roots - inputs @ (spectrum.projected / (spectrum.values + penalty)[:, None])
        error = 0.0
        for unit in units:
            hat = inputs[unit] @ shrunk[unit].T + roots[unit] @ roots[unit].T
            error += float(np.square(np.linalg.solve(np.eye(len(unit)) - hat, residuals[unit])).sum())
        errors[penalty] = error
    return max(errors, key=lambda penalty: (-errors[penalty], penalty))
