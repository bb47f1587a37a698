"""What measures, coverage map and proxy reader see through each backbone, beside their floors.

python -m benchmarks.eyes_measures --data DIR --backbone NAME=DIR ... --keep DIR [--only cohort]

DIR holds `pneumoniamnist.npz` and `bccd_cells/`. Known faults are planted in fresh real images (`eyes_sets`); the
cohort also has images of the shipped generator. Every measure is the product's own (`screening.set_measures`,
`screening.proxy`). Features and results lie in `--keep`, so a further backbone costs its own images alone.
`python -m benchmarks.eyes_tables --keep DIR` prints the tables of all that lie there.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from benchmarks.backbones import Part
from benchmarks.eyes_proxy import READ, broken_images, proxy_figures
from benchmarks.eyes_sets import (
    DRAWN,
    EyeData,
    Subgroup,
    brain_data,
    cell_data,
    chest_data,
    choose,
    planted_sets,
    quotas_of,
    reference_of,
    take,
)
from curation.estimates import as_saved
from curation.image_store import Pixels, pixel_sha256
from curation.ingest.virtual_brains.render import CLASSES
from curation.progress import silent
from generate.request import GenerationRequest
from generate.sample import sample_images
from screening.set_measures import manifold
from screening.set_measures.curated import Count, representation
from screening.set_measures.modes import Grouping, find_modes
from screening.set_measures.scope import ImageSet, measure_scope
from screening.set_measures.spectrum import radial_spectra
from train.backbones.load import Backbone
from train.backbones.pooling import class_token_width
from train.backbones.shipped import SHIPPED_BACKBONE
from train.features.feature_cache import feature_file

GENERATOR = Path(__file__).parents[1] / "generate" / "shipped" / "virtual-brains-flow"
RESAMPLES = 60
SEED = 7  # of the demo's batch
AT_ONCE = 64

Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class Eye:
    """A backbone under its name in the tables; its features are kept by pixel digest."""

    name: str
    backbone: Backbone
    keep: Path

    def features(self, pixels: Pixels) -> Vectors:
        """(N, H, W, C) to (N, D); images that were seen before are read."""
        digests = [pixel_sha256(image) for image in pixels]
        by_digest = dict(zip(digests, pixels, strict=True))
        kept = feature_file(self.keep, self.backbone)

        def inputs(portion: Any) -> torch.Tensor:
            return self.backbone.preprocessing(np.stack([by_digest[digest] for digest in portion]))

        kept.fill(digests, inputs, self.backbone.embed, silent, "features", AT_ONCE)
        return np.asarray(kept.stored(digests)[np.arange(len(digests))], np.float64)

    def image_set(self, pixels: Pixels) -> ImageSet:
        """Features and spectra of images."""
        return ImageSet(self.features(pixels), radial_spectra(pixels))


def measures_of(eye: Eye, real: Part, held_out: Part, drawn: Pixels) -> list[dict[str, Any]]:
    """Every set measure of `drawn` beside its floor, at equal n, with its interval."""
    sides = (eye.image_set(part) for part in (real.pixels, held_out.pixels, drawn))
    every_real = eye.features(real.pixels)
    width = class_token_width(eye.backbone.pooling, eye.backbone.dimension)
    return [as_saved(row) for row in measure_scope(*sides, every_real, RESAMPLES, 0, class_token=width)]


def reactions(eye: Eye, data: EyeData, planted_by_name: Mapping[str, Pixels]) -> dict[str, Any]:
    """The measures of every planted set of a data set, by its name."""
    real, held_out = reference_of(data), take(data.held_out, choose(data.held_out, data.n, 0))
    rows = {}
    for name, pixels in planted_by_name.items():
        rows[name] = measures_of(eye, real, held_out, pixels)
        print(eye.name, data.name, name, flush=True)
    return rows


def generated(keep: Path, n: int) -> Pixels:
    """Return `n` images of the shipped generator as the demo draws them; they are made once."""
    path = keep / f"generated-{n}.npy"
    if not path.is_file():
        counts = dict.fromkeys(CLASSES, n // len(CLASSES))
        request = GenerationRequest.checked(generator=GENERATOR.name, counts=counts, seed=SEED)
        drawn = [pixels for _, _, pixels in sample_images(GENERATOR, request.plan(), request, 32, "cpu")]
        np.save(path, np.stack(drawn))
    return np.asarray(np.load(path), np.uint8)


def missing_modes(eye: Eye, data: EyeData) -> dict[str, Any]:
    """What the coverage map says where a subgroup is missing from the kept images, and where nothing is."""
    real = eye.features(data.reference.pixels)
    pool = eye.features(data.pool.pixels)
    return {name: _missing_mode(data, real, pool, subgroup) for name, subgroup in data.subgroups.items()}


def _missing_mode(data: EyeData, real: Vectors, pool: Vectors, subgroup: Subgroup) -> dict[str, Any]:
    of_class = np.flatnonzero(data.reference.labels == subgroup.label)
    members = subgroup.of_reference[of_class]
    modes = find_modes(real[of_class], 0)
    classes = [data.classes[subgroup.label]] * len(of_class)
    result: dict[str, Any] = {
        "real": len(of_class),
        "modes": len(modes.centres),
        "mutual information of mode and subgroup": float(adjusted_mutual_info_score(modes.assigned, members)),
    }
    for name, allowed in (("missing", ~subgroup.of_pool), ("complete", np.ones(len(pool), bool))):
        kept = pool[(data.pool.labels == subgroup.label) & allowed]
        kept = kept[np.random.default_rng(0).permutation(len(kept))]
        nearest, _ = manifold.nearest(kept, real[of_class])
        borrowed = Grouping(
            "subgroup",
            _named(members), _named(members[nearest]), borrowed=True,
        )  # fmt: skip
        by_mode = Grouping("mode", [str(mode) for mode in modes.assigned], [str(mode) for mode in modes.nearest(kept)])
        looks = len(modes.centres) + 2
        rows = [
            row
            for grouping in (by_mode, borrowed)
            for row in representation(grouping, classes, classes[:1] * len(kept), [True] * len(kept), looks)
        ]
        covered = manifold.covered(manifold.distances(real[of_class], real[of_class]),
                                   manifold.distances(real[of_class], kept))  # fmt: skip
        result[name] = {
            "kept": len(kept),
            "modes": {row.level: [row.state, as_saved(row.ratio)] for row in rows if row.grouping == "mode"},
            "subgroup": next([row.state, as_saved(row.ratio)] for row in rows if row.level == "inside"),
            "covered": {side: as_saved(Count.of(int(covered[chosen].sum()), int(chosen.sum())))
                        for side, chosen in (("inside", members), ("outside", ~members))},
        }  # fmt: skip
    return result


def _named(members: NDArray[np.bool_]) -> list[str]:
    return ["inside" if member else "outside" for member in members]


def generator_figures(eye: Eye, data: EyeData, n: int) -> list[dict[str, Any]]:
    """The measures of `n` images of the shipped generator against as many real ones, one a subject."""
    real, held_out = (take(part, np.arange(n)) for part in (data.reference, data.held_out))
    return measures_of(eye, real, held_out, generated(eye.keep, n))


def measure_eyes(eyes: Iterable[Eye], data: EyeData, n_generated: int) -> Iterator[dict[str, Any]]:
    """Yield all figures of each backbone on one data set, whose broken images are made once."""
    fresh = choose(data.pool, data.n, 1, quotas_of(data.reference.labels, data.n, len(data.classes), {}))
    untouched = take(data.pool, fresh[:READ])
    broken = broken_images(data, untouched)
    planted = dict(planted_sets(data))
    for eye in eyes:
        result: dict[str, Any] = {"data": data.name, "eye": eye.name, "digest": eye.backbone.digest, "n": data.n}
        result["proxy"] = proxy_figures(eye.features, data, broken, untouched.units)
        result["modes"] = missing_modes(eye, data)
        result["reactions"] = reactions(eye, data, planted)
        if data.name == "cohort":
            result["generator"] = generator_figures(eye, data, n_generated)
        yield result


def main() -> None:
    """Measure and keep the figures of each backbone on each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--only", choices=("cohort", "chest X-rays", "blood cells"), action="append")
    parser.add_argument("--generated", type=int, default=DRAWN, help="images of the shipped generator")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.keep.mkdir(parents=True, exist_ok=True)
    makers: Mapping[str, Callable[[], EyeData]] = {
        "cohort": brain_data,
        "chest X-rays": lambda: chest_data(options.data / "pneumoniamnist.npz"),
        "blood cells": lambda: cell_data(options.data / "bccd_cells"),
    }
    for name in options.only or makers:
        data = makers[name]()
        named = (entry.partition("=") for entry in options.backbone or ["shipped="])
        eyes = (Eye(name, Backbone.load(place or SHIPPED_BACKBONE), options.keep) for name, _, place in named)
        for result in measure_eyes(eyes, data, options.generated):
            (options.keep / f"{data.name} {result['eye']}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
