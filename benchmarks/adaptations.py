"""Every adaptation on one snapshot: metrics with intervals, what trains, seconds a step.

python -m benchmarks.adaptations SNAPSHOT_FOLDER --keep DIR [--backbone NAME_OR_DIR] [--steps 100] [--only NAME ...]

One JSON of results for each method lies in DIR, and only what is missing is run. The metrics are read on the split
`--split` of the snapshot with intervals over its subjects; without one that is validation, on which weights were chosen
too. `--heads` leaves out what moves weights of the encoder.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from curation.errors import RoundsError
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.rows.table import METHODS
from train.backbones.load import Backbone
from train.backbones.names import backbone_location
from train.evaluation.evaluate import evaluate_run
from train.features.feature_cache import FeatureCache

RESAMPLES = 1_000
MEASURES = ("auroc", "balanced_accuracy")


def measure(name: str, folder: SnapshotFolder, arguments: argparse.Namespace) -> dict[str, Any]:
    """Adapt the backbone by one method and measure it; what is refused or diverges is a result, too."""
    frozen = METHODS[name].row.frozen_encoder
    config = AdaptationConfig.checked(
        adaptation=name, backbone=arguments.backbone, steps=arguments.steps, batch_size=arguments.batch_size,
        evaluations=5, patience=None, start="random" if frozen else "probe", allow_unknown_provenance=True,
    )  # fmt: skip
    features = FeatureCache(Backbone.load(backbone_location(arguments.backbone, folder.path)), arguments.keep)
    with TemporaryDirectory() as scratch:
        try:
            run = adapt(folder, config, Path(scratch) / name, silent, features)
            result = evaluate_run(run.directory, folder, arguments.split, RESAMPLES, 0, arguments.keep)
        except RoundsError as error:
            return {"method": name, "refused": str(error)}
        metrics = {measure: result.as_json()["metrics"][measure] for measure in MEASURES}
        return {"method": name, "backbone": run.card["backbone"]["digest"], "n_images": result.n_images,
                "n_subjects": result.n_units, "best_step": run.card["best_step"], **metrics,
                "parameters": run.card["parameters"], **run.cost}  # fmt: skip


def table_lines(results: list[dict[str, Any]]) -> Iterator[str]:
    """Write the results as a Markdown table, in the order of the methods."""
    yield "| `--adaptation` | AUROC | balanced accuracy | trains | s a step |"
    yield "|---|---|---|---|---|"
    for result in results:
        if "refused" in result:
            yield f"| `{result['method']}` | refused | | | |"
            continue
        intervals = [_interval(result[measure]) for measure in MEASURES]
        share = result["parameters"]["trainable"] / result["parameters"]["total"]
        step = f"{result['step_s']:.2g}" if "step_s" in result else "none"
        yield f"| `{result['method']}` | {' | '.join(intervals)} | {share:.2%} | {step} |"


def _interval(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--backbone", default="shipped")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--split", default="test")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--heads", action="store_true")
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    folder = SnapshotFolder.open(arguments.snapshot)
    chosen = arguments.only or [name for name in METHODS if METHODS[name].row.frozen_encoder or not arguments.heads]
    for name in chosen:
        path = arguments.keep / f"{name}.json"
        if not path.is_file():
            path.write_text(json.dumps(measure(name, folder, arguments), indent=1) + "\n")
            print(name, file=sys.stderr, flush=True)
    kept = [arguments.keep / f"{name}.json" for name in METHODS]
    print("\n".join(table_lines([json.loads(path.read_text()) for path in kept if path.is_file()])))


if __name__ == "__main__":
    main()
