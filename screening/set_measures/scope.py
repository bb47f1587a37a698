"""Every measure of one scope (the whole, or a class) at equal n, each beside its real-against-real floor.

Three sets of n: real training images, one a subject; real validation images, one a subject; the drawn images. The floor
is what the validation images score in the place of the drawn ones, by the same yardstick. `excess` is the difference.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from statsmodels.stats.proportion import confint_proportions_2indep

from screening.set_measures import manifold
from screening.set_measures.distances import (
    Vectors,
    cubic_kernel,
    kernel_distance_of,
    unchecked_frechet_distance,
)
from screening.set_measures.intervals import (
    Interval,
    difference,
    measured_on_parts,
    of_count,
    of_distance,
    of_share,
)
from screening.set_measures.spectrum import Spectra, spectral_distance

MOST_COMPONENTS = 32
IMAGES_PER_COMPONENT = 5
SHARES = ("precision", "recall", "coverage")
LOWEST: Mapping[str, float | None] = {"kernel distance": None}  # unbiased, so it may fall below zero
LESS_IS_NEARER = ("Fréchet distance", "kernel distance", "spectral distance")

Positions = tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, slots=True)
class Pictures:
    """One set of images: its feature vectors (n, D) and its spectra (n, R), row by row."""

    features: Vectors
    spectra: Spectra

    def __len__(self) -> int:
        return len(self.features)

    def take(self, positions: NDArray[np.int64]) -> "Pictures":
        """Some of them."""
        return Pictures(self.features[positions], self.spectra[positions])


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure: its value, its floor, the difference, each with its interval; or why there is none."""

    name: str
    value: Interval | None
    floor: Interval | None
    excess: Interval | None
    better: str
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the saved result."""
        return asdict(self)


def measure_scope(
    real: Pictures,
    held_out: Pictures,
    drawn: Pictures,
    every_real: Vectors,
    resamples: int,
    seed: int,
    report: Callable[[int], None] = lambda _: None,
) -> list[Measured]:
    """All measures of three sets of one size; `every_real` (M, D) is what could have been copied."""
    n = len(real)
    components = min(MOST_COMPONENTS, n // IMAGES_PER_COMPONENT, every_real.shape[1])
    reduced = PCA(components, svd_solver="covariance_eigh").fit(every_real)
    plain = n > real.features.shape[1]
    sides = Sides(real, held_out, drawn, reduced, plain)
    whole, parts = measured_on_parts(sides.measure, (n, n, n), resamples, seed, report)
    shared = 100 * reduced.explained_variance_ratio_.sum()
    notes = {_reduced_name(components): f"{shared:.0f} % of the variance of the training images' features"}
    found = [] if plain else [_too_few(n, real.features.shape[1])]
    found += [_measured(name, n, whole, parts, notes.get(name, "")) for name in sides.names()]
    return [*found, _authenticity(drawn.features, held_out.features, every_real)]


def _reduced_name(components: int) -> str:
    return f"Fréchet distance, {components} principal components"


def _too_few(n: int, dimension: int) -> Measured:
    note = f"not given: {n} images do not exceed the {dimension} feature dimensions"
    return Measured("Fréchet distance", None, None, None, "less", note)


class Sides:
    """The drawn and the held-out images against the same real ones; distances are taken once and then picked from."""

    def __init__(self, real: Pictures, held_out: Pictures, drawn: Pictures, reduced: PCA, plain: bool) -> None:
        self.real, self.others = real, {"value": drawn, "floor": held_out}
        self.plain = plain
        self.components = int(reduced.n_components_)
        self.reduced = {id(one): reduced.transform(one.features) for one in (real, held_out, drawn)}
        self.within = {id(one): manifold.distances(one.features, one.features) for one in (real, held_out, drawn)}
        self.kernels = {id(one): cubic_kernel(one.features, one.features) for one in (real, held_out, drawn)}
        self.across = {name: manifold.distances(real.features, one.features) for name, one in self.others.items()}
        self.cross_kernels = {name: cubic_kernel(real.features, one.features) for name, one in self.others.items()}

    def names(self) -> list[str]:
        """In the order in which they are told."""
        frechet = ["Fréchet distance"] if self.plain else []
        rest = ["kernel distance", "precision", "recall", "density", "coverage", "spectral distance"]
        return [*frechet, _reduced_name(self.components), *rest]

    def measure(self, positions: Positions) -> dict[str, float]:
        """`NAME/value` and `NAME/floor` of what stands at these positions of real, held-out and drawn."""
        rows, held_out, drawn = positions
        found = {}
        for side, columns in (("value", drawn), ("floor", held_out)):
            found |= {f"{name}/{side}": value for name, value in self._one_side(side, rows, columns).items()}
        return found

    def _one_side(self, side: str, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> dict[str, float]:
        other = self.others[side]
        real, own = self.within[id(self.real)][np.ix_(rows, rows)], self.within[id(other)][np.ix_(columns, columns)]
        across = self.across[side][np.ix_(rows, columns)]
        found = {
            _reduced_name(self.components): unchecked_frechet_distance(
                self.reduced[id(self.real)][rows], self.reduced[id(other)][columns]
            ),
            "kernel distance": kernel_distance_of(
                self.kernels[id(self.real)][np.ix_(rows, rows)],
                self.kernels[id(other)][np.ix_(columns, columns)],
                self.cross_kernels[side][np.ix_(rows, columns)],
            ),
            "precision": manifold.precision(real, across),
            "recall": manifold.recall(own, across),
            "density": manifold.density(real, across),
            "coverage": manifold.coverage(real, across),
            "spectral distance": spectral_distance(self.real.spectra[rows], other.spectra[columns]),
        }
        if self.plain:
            found["Fréchet distance"] = unchecked_frechet_distance(self.real.features[rows], other.features[columns])
        return found


def _measured(name: str, n: int, whole: Mapping[str, float], parts: Mapping[str, list[float]], note: str) -> Measured:
    sides = {}
    for side in ("value", "floor"):
        value, some = whole[f"{name}/{side}"], parts[f"{name}/{side}"]
        in_share = name in SHARES
        sides[side] = of_share(value, some, n) if in_share else of_distance(value, some, n, LOWEST.get(name, 0.0))
    better = "less" if name.startswith(LESS_IS_NEARER) else "more"
    if name in SHARES:
        return Measured(name, sides["value"], sides["floor"], difference(**sides), better, note)
    apart = [value - floor for value, floor in zip(parts[f"{name}/value"], parts[f"{name}/floor"], strict=True)]
    excess = of_distance(whole[f"{name}/value"] - whole[f"{name}/floor"], apart, n)
    return Measured(name, sides["value"], sides["floor"], excess, better, note)


def _authenticity(drawn: Vectors, held_out: Vectors, every_real: Vectors) -> Measured:
    """Of all that could have been copied: the real images are given, the drawn ones a sample, so the count is exact."""
    n = len(drawn)
    own, other = (int(manifold.authentic(one, every_real).sum()) for one in (drawn, held_out))
    low, high = confint_proportions_2indep(own, n, other, n, method="newcomb", compare="diff")
    excess = Interval((own - other) / n, float(low), float(high))
    note = f"against all {len(every_real)} real training images of this scope"
    return Measured("authenticity", of_count(own, n), of_count(other, n), excess, "more", note)
