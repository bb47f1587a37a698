"""The unit of CT is kept; several units are said at import, for snapshots and at training."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.dataset import FileDataset

from cli.main import rounds
from curation.ingest.formats.value_remarks import NO_RESCALE
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from tests.curation.ingest.test_value_scales import HU, Change, _folder, _images, _import, _scanner
from tests.rows import NOW


def _without(*keywords: str, empty: bool = False, **attributes: object) -> Change:
    def change(dataset: FileDataset) -> None:
        _scanner(HU + 1000, 1, 0, False, **attributes)(dataset)
        for keyword in keywords:
            if empty:
                setattr(dataset, keyword, None)
            else:
                delattr(dataset, keyword)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("RescaleSlope", "RescaleIntercept"),
        _without("RescaleSlope", "RescaleIntercept", empty=True),
        _without("RescaleIntercept"),
        _without("RescaleSlope", Modality="PT"),
        _without("RescaleIntercept", Modality="OT", RescaleType="HU"),
    ],
)
def test_calibrated_values_without_a_rescale_are_counted_as_of_an_unknown_unit(
    project: Project, tmp_path: Path, change: Change
) -> None:
    assert f"1 pictures: {NO_RESCALE}" in _import(project, _folder(tmp_path, x=change)).notes


def test_ct_of_unknown_and_other_units_beside_hounsfield_units_is_said(project: Project, tmp_path: Path) -> None:
    files = {
        "x": _scanner(HU, 1, -1024, False),
        "y": _scanner(HU // 2, 1, 0, True, RescaleType="HU"),
        "bare": _without("RescaleSlope", "RescaleIntercept"),
        "other": _scanner(HU // 3, 1, 0, True, RescaleType="US"),
        "mr": _scanner(HU // 4, 1, 0, True, Modality="MR"),
    }
    notes = _import(project, _folder(tmp_path, **files)).notes
    [note] = [note for note in notes if "in several units" in note]
    assert note.startswith("The CT images are in several units: 2 in HU; 1 of ")
    assert {"1 of an unknown unit", "1 of RescaleType US"} <= set(note.split(". ")[0].split(": ")[1].split("; "))


def test_ct_of_another_unit_than_that_of_an_earlier_import_is_said_at_import_snapshot_and_training(
    project: Project, tmp_path: Path
) -> None:
    _import(project, _folder(tmp_path / "bare", p0=_without("RescaleSlope"), p1=_without("RescaleIntercept")))
    in_hu = {"p2": _scanner(HU, 1, -1024, False), "p3": _scanner(HU // 2, 1, 0, True)}
    report = _import(project, _folder(tmp_path / "hu", **in_hu))
    assert not any("another scale" in note for note in report.notes)
    [note] = [note for note in report.notes if "another unit" in note]
    assert note.startswith(
        "The project has real CT images in another unit than these: 2 of an unknown unit; here 2 in HU."
    )
    with project.database.read() as session:
        notice = preview_snapshot(session, MixRecipe(synthetic="none")).mixed_scales
    assert notice is not None
    assert notice.startswith("The CT images are in several units: ")
    folder = build_snapshot(project, "s1", MixRecipe(synthetic="none"), NOW, lambda *_: None)
    assert folder.mixed_scales == notice
    assert {scale["unit"] for scale in folder.manifest["value_scales"]} == {"HU", "unknown"}
    shown = CliRunner().invoke(rounds, ["--project", str(project.root), "snapshot", "show", "s1"]).output
    assert "in several units" in " ".join(shown.split())
    to_folder = ["--project", str(project.root), "export", "dicom", "s1", str(tmp_path / "exported"), "--include-real"]
    assert CliRunner().invoke(rounds, to_folder).exit_code == 0
    exported = [dcmread(path).RescaleType for path in (tmp_path / "exported").rglob("*.dcm")]
    assert sorted(exported) == ["HU", "HU", "US", "US"]


@pytest.mark.parametrize(
    ("change", "unit"),
    [
        (_scanner(HU, 1, 0, True), "HU"),
        (_scanner(HU, 1, 0, True, RescaleType="HU_MOD"), "HU_MOD"),
        (_scanner(HU, 1, 0, True, RescaleType="of Dr Doe"), "other"),
        (_scanner(HU, 1, 0, True, RescaleType=" hu "), "HU"),
        (_scanner(HU, 1, 0, True, Modality="ct"), "HU"),
        (_scanner(HU, 1, 0, True, Modality=["CT", "PT"]), "HU"),
        (_scanner(HU, 1, 0, True, Modality="OT", RescaleType="HU"), "HU"),
        (_scanner(HU, 1, 0, True, Modality="MR", RescaleType="US"), None),
        (_scanner(HU, 1, 0, True, Modality="PT", Units=" bqml "), "BQML"),
        (_scanner(HU, 1, 0, True, Modality="PT", RescaleType="GML"), "GML"),
        (_scanner(HU, 1, 0, True, Modality="PT", Units="of Dr Doe"), "other"),
        (_scanner(HU, 1, 0, True, Modality="PT"), "unknown"),
        (_without("RescaleSlope", Modality="PT", Units="BQML"), "unknown"),
        (_without("RescaleSlope"), "unknown"),
        (_without("RescaleSlope", Modality="MR"), None),
    ],
)
def test_the_unit_of_ct_and_pet_is_kept_beside_its_scale(
    project: Project, tmp_path: Path, change: Change, unit: str | None
) -> None:
    _import(project, _folder(tmp_path, x=change))
    [image] = _images(project)
    assert image.value_unit == unit


def test_ct_of_one_unknown_unit_is_not_called_mixed(project: Project, tmp_path: Path) -> None:
    files = {"x": _without("RescaleSlope"), "mr": _scanner(HU, 1, 0, True, Modality="MR")}
    assert not any("in several units" in note for note in _import(project, _folder(tmp_path, **files)).notes)


def test_pet_in_two_units_is_said(project: Project, tmp_path: Path) -> None:
    files = {
        "x": _scanner(HU, 1, 0, True, Modality="PT", Units="BQML"),
        "y": _scanner(HU // 2, 1, 0, True, Modality="PT", Units="GML"),
    }
    [note] = [note for note in _import(project, _folder(tmp_path, **files)).notes if "in several units" in note]
    assert note.startswith("The CT and PET images are in several units: 1 of Units ")
