"""Every measure of one scope (all classes, or one) at equal n, beside its real-against-real floor.

Three sets of n: real training images, one a subject; real validation images, one a subject; the generated images. The
floor is what the validation images score in the place of the generated ones, by the same yardstick. `excess` is the
difference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from statsmodels.stats.proportion import confint_proportions_2indep

from curation.check_names import MEASURE_TITLES
from curation.estimates import Estimate, proportion
from screening.set_measures import manifold
from screening.set_measures.distances import Vectors, cubic_kernel, kernel_distance_of, unchecked_frechet_distance
from screening.set_measures.intervals import difference, measured_on_parts, of_distance, of_share
from screening.set_measures.spectrum import Spectra, spectral_distance

MOST_COMPONENTS = 32
IMAGES_PER_COMPONENT = 5
SHARES = ("precision", "recall", "coverage")
LOWEST: Mapping[str, float | None] = {"kernel": None}  # unbiased, so it may fall below zero
LESS_IS_NEARER = ("frechet", "frechet_class_token", "frechet_components", "kernel", "spectral")

Positions = tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, slots=True)
class ImageSet:
    """One set of images: its feature vectors (n, D) and its spectra (n, R), row by row."""

    features: Vectors
    spectra: Spectra

    def __len__(self) -> int:
        return len(self.features)

    def take(self, positions: NDArray[np.int64]) -> "ImageSet":
        """The images at these positions."""
        return ImageSet(self.features[positions], self.spectra[positions])


@dataclass(frozen=True, slots=True)
class ScopeMeasure:
    """One measure: its value, its floor and their difference, or a note that says why there is none."""

    key: str
    name: str
    value: Estimate | None
    floor: Estimate | None
    excess: Estimate | None
    better: str
    note: str = ""


def measure_scope(
    real: ImageSet,
    held_out: ImageSet,
    drawn: ImageSet,
    every_real: Vectors,
    resamples: int,
    seed: int,
    report: Callable[[int], None] = lambda _: None,
    class_token: int | None = None,
) -> list[ScopeMeasure]:
    """All measures of three sets of one size; `every_real` (M, D) is what could have been copied.

    Where the first `class_token` features are a class token's, the Fréchet distance of it alone is given, too: the one
    of the literature, and with fewer dimensions for fewer images.
    """
    n = len(real)
    components = min(MOST_COMPONENTS, n // IMAGES_PER_COMPONENT, every_real.shape[1])
    reduced = PCA(components, svd_solver="covariance_eigh").fit(every_real)
    widths = {"frechet": real.features.shape[1]} | ({"frechet_class_token": class_token} if class_token else {})
    sides = Sides(real, held_out, drawn, reduced, {key: width for key, width in widths.items() if width < n})
    whole, parts = measured_on_parts(sides.measure, (n, n, n), resamples, seed, report)
    shared = 100 * reduced.explained_variance_ratio_.sum()
    titles = {**MEASURE_TITLES, "frechet_components": f"Fréchet distance, {components} principal components"}
    notes = {"frechet_components": f"{shared:.0f} % of the variance of the training images' features"}
    measures = [_too_few(key, n, width) for key, width in widths.items() if width >= n]
    measures += [_set_measure(key, titles[key], n, whole, parts, notes.get(key, "")) for key in sides.measure_keys()]
    return [*measures, _authenticity(drawn.features, held_out.features, every_real)]


def _too_few(key: str, n: int, dimension: int) -> ScopeMeasure:
    note = f"not given: {n} images do not exceed the {dimension} feature dimensions"
    return ScopeMeasure(key, MEASURE_TITLES[key], None, None, None, "less", note)


class Sides:
    """Generated and held-out images against the same real ones; each distance is computed once.

    `plain` holds, by the name of the measure, how many of the first features a plain Fréchet distance is taken on.
    """

    def __init__(
        self, real: ImageSet, held_out: ImageSet, drawn: ImageSet, reduced: PCA, plain: Mapping[str, int]
    ) -> None:
        self.real, self.others = real, {"value": drawn, "floor": held_out}
        sides = (real, held_out, drawn)
        self.plain = plain
        self.components = int(reduced.n_components_)
        self.reduced = {id(side): reduced.transform(side.features) for side in sides}
        self.within = {id(side): manifold.distances(side.features, side.features) for side in sides}
        self.kernels = {id(side): cubic_kernel(side.features, side.features) for side in sides}
        self.across = {name: manifold.distances(real.features, side.features) for name, side in self.others.items()}
        self.cross_kernels = {name: cubic_kernel(real.features, side.features) for name, side in self.others.items()}

    def measure_keys(self) -> list[str]:
        """List the measures in the order in which they are shown."""
        rest = ("frechet_components", "kernel", "precision", "recall", "density", "coverage", "spectral")
        return [*self.plain, *rest]

    def measure(self, positions: Positions) -> dict[str, float]:
        """`KEY/value` and `KEY/floor` of the images at these positions of real, held-out and generated ones."""
        rows, held_out, drawn = positions
        measured = {}
        for side, columns in (("value", drawn), ("floor", held_out)):
            measured |= {f"{key}/{side}": value for key, value in self._one_side(side, rows, columns).items()}
        return measured

    def _one_side(self, side: str, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> dict[str, float]:
        other = self.others[side]
        real, within = self.within[id(self.real)][np.ix_(rows, rows)], self.within[id(other)][np.ix_(columns, columns)]
        across = self.across[side][np.ix_(rows, columns)]
        measured = {
            "frechet_components": unchecked_frechet_distance(
                self.reduced[id(self.real)][rows], self.reduced[id(other)][columns]
            ),
            "kernel": kernel_distance_of(
                self.kernels[id(self.real)][np.ix_(rows, rows)],
                self.kernels[id(other)][np.ix_(columns, columns)],
                self.cross_kernels[side][np.ix_(rows, columns)],
            ),
            "precision": manifold.precision(real, across),
            "recall": manifold.recall(within, across),
            "density": manifold.density(real, across),
            "coverage": manifold.coverage(real, across),
            "spectral": spectral_distance(self.real.spectra[rows], other.spectra[columns]),
        }
        for key, width in self.plain.items():
            measured[key] = unchecked_frechet_distance(
                self.real.features[rows, :width], other.features[columns, :width]
            )
        return measured


def _set_measure(
    key: str, name: str, n: int, whole: Mapping[str, float], parts: Mapping[str, list[float]], note: str
) -> ScopeMeasure:
    sides = {}
    for side in ("value", "floor"):
        value, values = whole[f"{key}/{side}"], parts[f"{key}/{side}"]
        in_share = key in SHARES
        sides[side] = of_share(value, values, n) if in_share else of_distance(value, values, n, LOWEST.get(key, 0.0))
    better = "less" if key in LESS_IS_NEARER else "more"
    if key in SHARES:
        return ScopeMeasure(key, name, sides["value"], sides["floor"], difference(**sides), better, note)
    differences = [value - floor for value, floor in zip(parts[f"{key}/value"], parts[f"{key}/floor"], strict=True)]
    excess = of_distance(whole[f"{key}/value"] - whole[f"{key}/floor"], differences, n)
    return ScopeMeasure(key, name, sides["value"], sides["floor"], excess, better, note)


def _authenticity(drawn: Vectors, held_out: Vectors, every_real: Vectors) -> ScopeMeasure:
    """Authenticity against every real image: those are given and the generated ones a sample, so the count is exact."""
    n = len(drawn)
    drawn_count, held_out_count = (int(manifold.authentic(images, every_real).sum()) for images in (drawn, held_out))
    low, high = confint_proportions_2indep(drawn_count, n, held_out_count, n, method="newcomb", compare="diff")
    excess = Estimate((drawn_count - held_out_count) / n, float(low), float(high), n, "Newcombe")
    note = f"against all {len(every_real)} real training images of this scope"
    sides = proportion(drawn_count, n), proportion(held_out_count, n)
    return ScopeMeasure("authenticity", MEASURE_TITLES["authenticity"], *sides, excess, "more", note)
