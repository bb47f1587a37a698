"""`rounds predict` reads any picture that an import reads, predicts it, and stores nothing of it."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cli.main import rounds
from curation.errors import BadInput, Conflict, NotFound
from curation.image_store import pixel_sha256
from curation.ingest.incoming import NO_GEOMETRY, Geometry, IncomingImage
from curation.ingest.sources.new_pictures import TrainedOn
from curation.near_copies.fingerprints import small_gray
from curation.progress import silent
from curation.project import Project
from curation.provenance.value_scales import ValueScale
from curation.tables.images import Import
from tests.cli.queueing import run
from tests.curation.ingest.formats.dicom_samples import changed
from tests.rows import picture
from train.adaptation.run_folder import load_run
from train.prediction.of_run import RunOfProject


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """A PNG, a TIFF and a volume of two slices that fit, and four files that do not."""
    folder = tmp_path / "ward"
    (folder / "deeper").mkdir(parents=True)
    gray = picture(500)[:, :, 0]
    Image.fromarray(gray).save(folder / "fits.png")
    Image.fromarray(gray).save(folder / "deeper" / "fits.tif")
    volume = np.stack([gray.T, picture(501)[:, :, 0].T], axis=-1)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([-1.0, -1.0, 1.0, 1.0])), folder / "volume.nii")
    Image.fromarray(np.stack([gray, 255 - gray, gray], axis=-1)).save(folder / "colour.png")
    Image.fromarray(gray).resize((20, 20)).save(folder / "large.png")
    Image.fromarray(np.zeros_like(gray)).save(folder / "blank.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def predict(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(rounds, ["--project", str(project.root), "predict", "mine", *arguments])


def stored(project: Project) -> set[Path]:
    return {path for path in project.root.rglob("*") if path.is_file() and not path.name.startswith("rounds.db")}


def test_pictures_of_every_kind_are_predicted_alike_and_what_does_not_fit_is_named_and_counted(
    trained: Project, ward: Path
) -> None:
    predict(trained, str(ward / "fits.png"))  # the fingerprints of the training images are kept from now on
    before = stored(trained)
    result = predict(trained, str(ward), "--json")
    assert result.exit_code == 1
    assert stored(trained) == before
    content = json.loads(result.stdout)
    assert content["notice"].startswith("NOT FOR DIAGNOSIS")
    by_file = {row["file"]: row for row in content["pictures"]}
    assert set(by_file) == {"fits.png", "deeper/fits.tif", "volume.nii#0", "volume.nii#1"}
    assert by_file["fits.png"]["probability_a"] == by_file["volume.nii#0"]["probability_a"]
    assert by_file["fits.png"]["pixel_sha256"] == by_file["deeper/fits.tif"]["pixel_sha256"]
    saved = load_run(RunOfProject.find(trained, "mine").directory, "cpu")
    logits = saved.model(saved.model.backbone.preprocessing(picture(500)[None])).double().softmax(dim=1)
    assert by_file["fits.png"]["probability_b"] == pytest.approx(float(logits.detach()[0, 1]), abs=1e-6)
    reasons = {item["file"]: item["reason"] for item in content["left_out"]}
    assert set(reasons) == {"colour.png", "large.png", "blank.png", "broken.png"}
    assert (
        "expected 16x16 gray, 8 bit as the images that the run was trained on have, got 20x20" in reasons["large.png"]
    )
    assert "left out: broken.png: not a PNG, JPEG or TIFF file" in result.stderr
    assert "4 left out, 4 predicted" in result.stderr
    assert "--size 16x16 brings pictures of another size" in result.stderr


def test_a_training_image_is_recognised_and_said(trained: Project, tmp_path: Path) -> None:
    for name, number in {"new.png": 900, "trained.png": 0}.items():
        Image.fromarray(picture(number)[:, :, 0]).save(tmp_path / name)
    brighter = (picture(2)[:, :, 0] * 0.8 + 20).astype(np.uint8)
    Image.fromarray(brighter).save(tmp_path / "brighter.png")
    result = predict(trained, str(tmp_path), "--json")
    assert result.exit_code == 0
    alike = {row["file"]: row["like_training"] for row in json.loads(result.stdout)["pictures"]}
    assert alike == {"new.png": False, "trained.png": True, "brighter.png": True}
    assert "2 of 3 pictures look like a training image" in predict(trained, str(tmp_path)).output


def test_a_head_from_a_file_of_sums_was_not_trained_on_the_snapshot_that_chose_its_penalty(trained: Project) -> None:
    run_of_project = RunOfProject.find(trained, "mine")
    brighter = (picture(2) * 0.8 + 20).astype(np.uint8)
    small, digests = [small_gray(image[None]) for image in (brighter, picture(0))], ["", pixel_sha256(picture(0))]
    assert run_of_project.are_like_training(small, digests, silent).tolist() == [True, True]
    solved = replace(run_of_project, card=run_of_project.card | {"n_images": {}})
    assert solved.are_like_training(small, digests, silent).tolist() == [False, True]


def test_predictions_are_written_as_parquet_and_csv_and_never_over_a_file(trained: Project, tmp_path: Path) -> None:
    Image.fromarray(picture(900)[:, :, 0]).save(tmp_path / "new.png")
    for name in ("table.parquet", "table.csv"):
        output = run(trained, "predict", "mine", str(tmp_path / "new.png"), "--out", str(tmp_path / name))
        assert "pictures" in output
    table = pq.read_table(tmp_path / "table.parquet")
    assert json.loads(table.schema.metadata[b"rounds"])["run"] == "mine"
    [row] = table.to_pylist()
    assert (row["file"], row["probability_a"] + row["probability_b"]) == ("new.png", pytest.approx(1.0))
    with (tmp_path / "table.csv").open() as file:
        assert [line["predicted"] for line in csv.DictReader(file)] == [row["predicted"]]
    with pytest.raises(Conflict, match="exists already"):
        run(trained, "predict", "mine", str(tmp_path / "new.png"), "--out", str(tmp_path / "table.csv"))
    with pytest.raises(BadInput, match=r"ends in \.parquet or \.csv"):
        run(trained, "predict", "mine", str(tmp_path / "new.png"), "--out", str(tmp_path / "table.xlsx"))


def test_nothing_to_predict_is_one_line(trained: Project, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no run named 'other'"):
        run(trained, "predict", "other", str(tmp_path))
    with pytest.raises(NotFound, match="found nothing there"):
        run(trained, "predict", "mine", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="is empty"):
        run(trained, "predict", "mine", str(tmp_path))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"no picture of .* can be predicted, 1 are left out: broken\.png"):
        run(trained, "predict", "mine", str(tmp_path))


def test_new_files_are_prepared_as_the_training_images_were_unless_an_option_says_otherwise(
    trained: Project, tmp_path: Path
) -> None:
    large = np.kron(picture(900)[:, :, 0], np.ones((2, 2), np.uint8))
    Image.fromarray(large).save(tmp_path / "large.png")
    assert predict(trained, str(tmp_path)).exit_code == 2 or predict(trained, str(tmp_path)).exception
    assert predict(trained, str(tmp_path), "--size", "16").exit_code == 0
    with trained.database.write() as session:
        session.get_one(Import, 1).report = {"options": {"size": [16, 16]}}
    try:
        assert predict(trained, str(tmp_path)).exit_code == 0
        assert "got 32x32" in str(predict(trained, str(tmp_path), "--size", "32").exception)
    finally:
        with trained.database.write() as session:
            session.get_one(Import, 1).report = {}


def test_a_file_whose_values_stand_for_something_else_is_left_out(trained: Project, tmp_path: Path) -> None:
    trained_on = TrainedOn((16, 16, 1, 16), ValueScale(16, 1.0, -1024.0))
    pixels = picture(0).astype(np.uint16)
    for geometry in (NO_GEOMETRY, Geometry(rescale_intercept=-1024.0)):
        trained_on.check(IncomingImage("fits.dcm", pixels, "a", geometry=geometry))
    with pytest.raises(BadInput, match=r"another scale \(value = 2 x stored\) than .* \(value = stored - 1,024\)"):
        trained_on.check(IncomingImage("other.dcm", pixels, "a", geometry=Geometry(rescale_slope=2.0)))
    assert RunOfProject.find(trained, "mine").trained_on.shape == (16, 16, 1, 8)
    ct = changed(tmp_path / "ct.dcm", "CT_small.dcm")
    result = predict(trained, str(ct), "--size", "16")
    assert "expected 16x16 gray, 8 bit" in str(result.exception)
    assert predict(trained, str(ct), "--size", "16", "--window", "40:400").exit_code == 0
