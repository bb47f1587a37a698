"""Take a subject out of a run by subtraction, which is training without it. Torch-free."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from curation.files import whole_file
from curation.provenance.weights import weights_digest
from curation.withdrawal.subtraction import Leaving
from train.adaptation.model_card import write_model_card
from train.adaptation.summed_runs import describe_sums, prior_of
from train.sums.kept_sums import KEPT_SUMS, KeptSums
from train.sums.solve import Head


class SumsOfRuns:
    """How a subject leaves the sums of a run, for `curation.withdrawal`."""

    def can_take_out(self, directory: Path, leaving: Leaving) -> bool:
        """Tell whether the run is whole without the subject once it is taken out of its sums.

        It is not where the backbone or a generator of its synthetic images saw the subject, or nothing would be left.
        """
        card_path, path = directory / "card.json", directory / KEPT_SUMS
        if not (card_path.is_file() and path.is_file()):
            return False
        elsewhere = json.loads(card_path.read_text())["saw_elsewhere"]
        reached = leaving.subjects.intersection(elsewhere["subjects"])
        if reached or leaving.pixel_sha256.intersection(elsewhere["pixel_sha256"]):
            return False
        rows = KeptSums.read(path).rows
        staying = ~rows.show(leaving.subjects, leaving.pixel_sha256)
        return any(image.split == "train" for image in rows.chosen(staying).images)

    def take_out(self, directory: Path, leaving: Leaving, withdrawal: int) -> dict[str, Any]:
        """Take the subject out, and return the validation metrics of what is left. Repeating it changes nothing.

        Sums and rows are one file, so the subject is in both or in neither; head and card follow from it. Measurements
        that lie beside the card are of the weights before, and go.
        """
        path = directory / KEPT_SUMS
        kept = KeptSums.read(path)
        removed = kept.rows.show(leaving.subjects, leaving.pixel_sha256)
        if removed.any():
            kept = kept.without(removed)
            kept.write(path)
        card = json.loads((directory / "card.json").read_text())
        head, chosen_by = kept.solve(prior_of(kept, card["class_weights"]), card["config"]["ridge_penalty"])
        _write_head(directory / "head.safetensors", head)
        for measured in (*directory.glob("evaluation-*.json"), *directory.glob("predictions-*.parquet")):
            measured.unlink()
        metrics = _measure(kept, head, card["metrics"])
        saw = card["saw"] | {
            "subjects": sorted(set(card["saw"]["subjects"]) - leaving.subjects),
            "pixel_sha256": sorted(set(card["saw"]["pixel_sha256"]) - _only_theirs(kept, leaving)),
        }
        card |= describe_sums(kept, head, chosen_by) | {"saw": saw, "metrics": metrics, "history": [metrics]}
        card["taken_out"] = sorted({*card.get("taken_out", ()), withdrawal})
        card["digest"] = weights_digest(directory)
        with whole_file(directory / "card.json") as partial:
            partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
        write_model_card(directory, card)
        return dict(metrics)


def _only_theirs(kept: KeptSums, leaving: Leaving) -> set[str]:
    """The pixels of the subject that no image that stays has."""
    return set(leaving.pixel_sha256) - {image.pixel_sha256 for image in kept.rows.images}


def _write_head(path: Path, head: Head) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(save({"weight": head.weight.astype(np.float32), "bias": head.bias.astype(np.float32)}))


def _measure(kept: KeptSums, head: Head, before: dict[str, Any]) -> dict[str, Any]:
    """Measure the head on the validation images that are left, as training measures it; unmeasured stays unmeasured."""
    rows = kept.rows.of_split("validation")
    if "validation_loss" not in before or not len(rows):
        return {"step": 0.0}
    labels = np.array([kept.train.classes.index(image.label) for image in rows.images])
    logits: NDArray[np.float64] = rows.features.astype(np.float64) @ head.weight.T + head.bias
    logits -= logits.max(axis=1, keepdims=True)
    chances = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    loss = -float(chances[np.arange(len(labels)), labels].mean())
    return {"step": 0.0, "validation_loss": loss, "validation_accuracy": accuracy}
