"""The report: retrieval and classes on validation subjects, beside the probe."""

import json
from pathlib import Path

import pytest

from curation.errors import BadInput, LeakRefused
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.image_text.test_align import align, request_of
from tests.train.snapshots import write_snapshot
from train.image_text.few_shot import HEADS
from train.image_text.measure import PROBE, WORDS, measure_two_towers
from train.image_text.measure_request import ImageTextMeasureRequest


def measure(folder: SnapshotFolder, model: Path, **more: object) -> dict:
    request = ImageTextMeasureRequest(**{"model": str(model), "shots": (2,), "draws": 2, "n_bootstrap": 100} | more)
    return measure_two_towers(folder, request, silent)


@pytest.mark.slow
def test_the_report_has_every_figure_with_its_interval_beside_chance(
    squares: SnapshotFolder, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    out = align(squares, request_of(tiny_vit, tiny_text, tmp_path / "aligned"))
    result = measure(squares, out)
    assert json.loads(json.dumps(result)) == result
    assert (result["n_images"], result["n_units"], result["resampled"]) == (60, 30, "subject")
    assert [(row["direction"], row["k"]) for row in result["retrieval"]] == [
        ("image to text", 1), ("image to text", 10), ("text to image", 1), ("text to image", 10),
    ]  # fmt: skip
    heads = {(row["head"], row["shots"]) for row in result["classification"]}
    assert heads == {(WORDS, 0), (PROBE, None), *((name, 2) for name in HEADS if name != WORDS)}
    for row in result["classification"]:
        for measure_name in ("auroc", "balanced_accuracy"):
            assert row[measure_name]["low"] <= row[measure_name]["value"] <= row[measure_name]["high"]
    words = next(row for row in result["classification"] if row["head"] == WORDS)
    assert words["auroc"]["low"] > result["chance"]["auroc"]
    assert measure(squares, out) == result


@pytest.mark.slow
def test_a_stock_model_without_captions_is_measured_by_words_and_refused_where_it_saw_too_much(
    two_towers: Path, tmp_path: Path
) -> None:
    folder = write_snapshot(tmp_path / "s", {"train": 8, "validation": 6})
    result = measure(folder, two_towers, shots=())
    assert (result["retrieval"], len(result["classification"])) == ([], 2)
    assert "no validation image has a caption" in result["captions"]
    with pytest.raises(BadInput, match="templates"):
        measure(folder, two_towers, templates=("a scan",))
    card = two_towers / "card.json"
    kept = card.read_text()
    seen = [row.subject for row in folder.rows("validation")]
    card.write_text(json.dumps({"fitted_on": {"subjects": seen, "pixel_sha256": []}}))
    with pytest.raises(LeakRefused, match="seen in training"):
        measure(folder, two_towers)
    card.unlink()
    with pytest.raises(LeakRefused, match="allow-unknown-provenance"):
        measure(folder, two_towers)
    allowed = measure(folder, two_towers, shots=(), allow_unknown_provenance=True)
    assert allowed["unknown_provenance"] == [f"backbone {two_towers}"]
    card.write_text(kept)
