"""Croissant 1.1, held against mlcroissant: valid, filled, and records that iterate."""

import hashlib
import json
from pathlib import Path

import mlcroissant
import numpy as np
import pytest

from curation.exports.formats.croissant import CONFORMS_TO
from curation.project import Project
from curation.snapshots.folder import SnapshotFolder
from tests.worlds.exports import SNAPSHOT, export

pytestmark = pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated:DeprecationWarning",  # mlcroissant 1.1.1 asks rdflib 7 by the old name
)

# Of the twenty fields of the vocabulary, by the names mlcroissant gives them. It looks for the manipulation protocol
# under a misspelt address and so never finds it.
RAI = (
    *("data_collection", "data_collection_type", "data_collection_missing_data", "data_collection_raw_data"),
    *("data_collection_timeframe", "data_imputation_protocol", "data_preprocessing_protocol"),
    *("data_annotation_protocol", "data_annotation_platform", "data_annotation_analysis", "annotations_per_item"),
    *("annotator_demographics", "machine_annotation_tools", "data_biases", "data_use_cases", "data_limitations"),
    *("data_social_impact", "personal_sensitive_information", "data_release_maintenance_plan"),
)


@pytest.fixture(scope="module")
def described(filled: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Croissant export with real images, of a named publisher."""
    target = tmp_path_factory.mktemp("croissant") / "out"
    export(filled, "croissant", target, include_real=True, license="CC-BY-4.0", creator="A group")
    return target


@pytest.mark.slow
def test_mlcroissant_finds_neither_errors_nor_warnings(described: Path) -> None:
    metadata = mlcroissant.Dataset(str(described / "croissant.json")).metadata
    assert metadata.ctx.issues.errors == set()
    assert metadata.ctx.issues.warnings == set()
    assert metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1" == CONFORMS_TO[0]


def test_every_responsible_ai_field_is_filled(described: Path) -> None:
    metadata = mlcroissant.Dataset(str(described / "croissant.json")).metadata
    assert [name for name in RAI if not getattr(metadata, name)] == []
    written = json.loads((described / "croissant.json").read_text())
    assert written["rai:dataManipulationProtocol"]
    assert written["rai:hasSyntheticData"] is True
    assert any("not presumed anonymous" in line for line in metadata.personal_sensitive_information)
    assert any("Krippendorff's alpha" in line for line in metadata.data_annotation_analysis)
    assert "48 readings by people and 0 by proxy models" in metadata.annotations_per_item


@pytest.mark.slow
@pytest.mark.parametrize(("split", "count"), [("train", 28), ("validation", 4), ("test", 4)])
def test_records_iterate_with_their_pictures(described: Path, filled: Project, split: str, count: int) -> None:
    folder = SnapshotFolder.open(filled.root / "snapshots" / SNAPSHOT)
    known = {row.pixel_sha256: folder.pixels([row])[0] for row in folder.rows(split)}
    records = list(mlcroissant.Dataset(str(described / "croissant.json")).records(split))
    assert len(records) == count
    for record in records:
        pixels = known[record[f"{split}/pixel_sha256"].decode()]
        assert (np.asarray(record[f"{split}/image"])[:, :, :1] == pixels).all()
        assert record[f"{split}/label"] in (b"a", b"b")


def test_checksums_are_those_of_the_files(described: Path) -> None:
    written = json.loads((described / "croissant.json").read_text())
    files = [part for part in written["distribution"] if part["@type"] == "cr:FileObject"]
    assert len(files) == 3
    for part in files:
        content = (described / part["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == part["sha256"]
        assert part["contentSize"] == f"{len(content)} B"
