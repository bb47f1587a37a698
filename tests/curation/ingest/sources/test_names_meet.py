"""Names in tables meet the files that they mean; a table that misses pictures stops the import."""

import unicodedata
from pathlib import Path

import pytest

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.import_report import ImportReport
from curation.ingest.names import KnownNames, Unmatched
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.lineage.descent import find_subject
from curation.lineage.naming import find_node
from curation.project import Project
from tests.curation.ingest.formats.dicom_samples import changed
from tests.curation.ingest.sources.folders import Maker, encoded, reasons_of, subjects_of
from tests.rows import NOW, picture

ACCENTED = "Gerät_é.png"
DECOMPOSED = unicodedata.normalize("NFD", ACCENTED)


def _import(project: Project, path: Path, manifest: Path | None = None, **options: object) -> ImportReport:
    request = ImportRequest(**{"public_subjects": True, **options})
    return import_image_folder(project, NOW, path, request=request, manifest=manifest)


def _keys(project: Project) -> dict[str, str]:
    return {file: key for file, (key, _) in subjects_of(project).items()}


def test_a_name_means_itself_then_its_equal_after_nfc_then_the_only_one_of_another_case() -> None:
    known = KnownNames(["a.png", "B.PNG", "c.png", "C.png", DECOMPOSED])
    assert known.find("a.png") == "a.png"
    assert known.find("b.png") == "B.PNG"
    assert known.find("C.png") == "C.png"
    assert known.fitting("C.PNG") == ["C.png", "c.png"]
    assert known.find("C.PNG") is None
    assert known.find(ACCENTED) == DECOMPOSED
    assert known.find(ACCENTED.upper()) == DECOMPOSED
    assert known.find("d.png") is None


def test_a_table_and_files_that_differ_by_case_or_by_how_an_accent_is_coded_meet(
    project: Project, folder: Maker
) -> None:
    files: dict[str, bytes | Pixels] = {"a/x_0.PNG": picture(0), "a/x_1.PNG": picture(1), f"b/{DECOMPOSED}": picture(2)}
    table = f"file_name,patient_id\nA\\x_0.png,P1\na/./x_1.png,P1\nb/{ACCENTED},P2\n"
    report = _import(project, folder({**files, "METADATA.CSV": table.encode()}))
    assert (report.added, report.rejected) == (3, [])
    assert _keys(project) == {"a/x_0.PNG": "P1", "a/x_1.PNG": "P1", f"b/{DECOMPOSED}": "P2"}


def test_a_whole_path_into_the_folder_is_that_file_and_one_that_leads_elsewhere_is_refused(
    project: Project, folder: Maker, tmp_path: Path
) -> None:
    directory = folder({"a/1.png": picture(1), "b/2.png": picture(2)})
    table = (
        f"file,label,patient_id\n{directory}/a/1.png,a,P1\n2.png,b,P2\n/etc/x.png,b,P3\n{directory}/a/../3.png,b,P4\n"
    )
    (directory / "b" / "metadata.csv").write_text(table)
    report = _import(project, directory)
    assert set(reasons_of(report)) == {"/etc/x.png", f"{directory}/a/../3.png"}
    assert _keys(project) == {"a/1.png": "P1", "b/2.png": "P2"}


def test_a_name_without_its_ending_means_the_only_file_that_has_one(project: Project, folder: Maker) -> None:
    assert KnownNames(["v.nii.gz", "v.nii.png"], (".nii.gz", ".nii", ".png")).fitting("V") == ["v.nii.gz"]
    files: dict[str, bytes | Pixels] = {
        "a/ISIC_1.PNG": picture(1),
        "a/ISIC_2.png": picture(2),
        "a/ISIC_2.TIF": picture(3),
    }
    directory = folder({**files, "list.csv": b"image,patient\na/isic_1,P1\na/ISIC_2,P2\n"})
    report = _import(project, directory, directory / "list.csv", allow_unmatched=True)
    assert reasons_of(report)["a/ISIC_2"] == "named in list.csv, and several files fit that name"
    assert _keys(project)["a/ISIC_1.PNG"] == "P1"
    report = _import(project, directory / "list.csv", label="x")
    assert reasons_of(report) == {"a/ISIC_2": "named in list.csv, but not there"}


def test_of_two_names_in_a_table_that_one_file_fits_the_nearer_counts(project: Project, folder: Maker) -> None:
    directory = folder({"a/x.png": picture(0), "metadata.csv": b"file,subject\na/X.png,P2\na/x.png,P1\n"})
    report = _import(project, directory)
    assert reasons_of(report) == {"a/X.png": "named in metadata.csv, but not among the pictures"}
    assert _keys(project) == {"a/x.png": "P1"}


def test_a_name_that_several_files_fit_is_left_out_with_the_files(project: Project, folder: Maker) -> None:
    directory = folder({"a/x.png": picture(0), "a/X.png": picture(1), "metadata.csv": b"file,subject\na/X.PNG,P1\n"})
    with pytest.raises(Unmatched, match=r"misses 2 of 2 pictures \(a/X.png, a/x.png\); 1 of its rows fit no picture"):
        _import(project, directory)
    report = _import(project, directory, allow_unmatched=True)
    assert reasons_of(report)["a/X.PNG"] == "named in metadata.csv, and several files fit that name"


@pytest.mark.parametrize(("column", "lost"), [("patient_id", "subjects"), ("label", "labels"), ("split", "splits")])
def test_a_table_that_misses_pictures_stops_the_import_and_names_examples_of_both_sides(
    project: Project, folder: Maker, column: str, lost: str
) -> None:
    files: dict[str, bytes | Pixels] = {f"train/{n}.png": picture(n) for n in range(5)}
    rows = "".join(f"train/{n}.jpeg,train\n" for n in range(5))
    directory = folder({**files, "metadata.csv": f"file_name,{column}\n{rows}".encode()})
    with pytest.raises(Unmatched) as stopped:
        _import(project, directory, label="x" if lost != "labels" else None)
    message = str(stopped.value)
    assert f"metadata.csv was to give {lost}, and misses 5 of 5 pictures (train/0.png, train/1.png, " in message
    assert "5 of its rows fit no picture (train/0.jpeg, " in message
    assert "--allow-unmatched" in message
    assert "train/" not in stopped.value.nameless
    assert subjects_of(project) == {}


def test_pictures_that_a_table_misses_come_in_when_it_is_allowed_and_the_report_counts_them(
    project: Project, folder: Maker
) -> None:
    files: dict[str, bytes | Pixels] = {f"a/{n}.png": picture(n) for n in range(3)}
    directory = folder({**files, "metadata.csv": b"file,subject\na/0.png,P0\n"})
    with pytest.raises(Unmatched, match="misses 2 of 3 pictures"):
        _import(project, directory)
    report = _import(project, directory, allow_unmatched=True)
    assert report.added == 3
    assert "2 pictures are not in metadata.csv and came in without its subjects: --allow-unmatched" in report.notes
    assert report.options["allow_unmatched"] is True


def test_a_table_speaks_for_the_folders_below_it_alone(project: Project, folder: Maker) -> None:
    files: dict[str, bytes | Pixels] = {"train/a/1.png": picture(1), "test/a/2.png": picture(2)}
    report = _import(project, folder({**files, "train/metadata.csv": b"file,subject\na/1.png,P1\n"}))
    assert report.added == 2
    with pytest.raises(Unmatched, match="misses 1 of 3 pictures"):
        _import(project, folder({"train/a/3.png": picture(3)}))


def test_dicom_files_that_a_table_of_uids_misses_stop_the_import(project: Project, tmp_path: Path) -> None:
    for number in range(3):
        changed(
            tmp_path / "ct" / f"{number}.dcm",
            "CT_small.dcm",
            lambda dataset, uid=number: setattr(dataset, "SOPInstanceUID", f"1.2.3.{uid}"),
            seed=number,
        )
    table = tmp_path / "who.csv"
    table.write_text("SOP Instance UID,Patient ID\n1.2.3.0,P0\n1.2.3.1,P0\n1.2.3.9,P9\n")
    with pytest.raises(Unmatched, match=r"misses 1 of 3 pictures \(2.dcm\); 1 of its rows fit no picture \(1.2.3.9\)"):
        _import(project, tmp_path / "ct", manifest=table, label="x")
    report = _import(project, tmp_path / "ct", manifest=table, label="x", allow_unmatched=True)
    assert reasons_of(report) == {"1.2.3.9": "named in who.csv, but no file has this SOP Instance UID"}
    assert _keys(project) == {"0.dcm": "P0", "1.dcm": "P0", "2.dcm": "1CT1"}
    table.write_text("SOPInstanceUID,patient_id\n1.2.3.0,P0\n1.2.3.0,P1\n1.2.3.1,P0\n1.2.3.2,P0\n")
    report = _import(project, tmp_path / "ct", manifest=table, label="y")
    assert reasons_of(report) == {"1.2.3.0": "named twice in who.csv, with different subjects"}


def test_a_table_that_is_the_source_finds_its_files_in_any_case_and_may_end_in_upper_case(
    project: Project, folder: Maker
) -> None:
    directory = folder({"Img/q0.PNG": picture(0), "Img/q1.png": picture(1)})
    (directory / "LABELS.CSV").write_text("file,label,patient_id\nimg/q0.png,a,000\nimg/Q1.png,b,001\nimg/q2.png,b,2\n")
    report = _import(project, directory / "LABELS.CSV")
    assert (report.added, reasons_of(report)) == (2, {"img/q2.png": "named in LABELS.CSV, but not there"})
    assert _keys(project) == {"Img/q0.PNG": "000", "Img/q1.png": "001"}
    (directory / "labels.txt").write_text("x")
    with pytest.raises(BadInput, match=r"and not a table \(.csv, .tsv, .parquet, .jsonl\)"):
        _import(project, directory / "labels.txt")


def test_masks_meet_their_pictures_in_any_case_and_a_pattern_that_fits_none_stops_the_import(
    project: Project, folder: Maker
) -> None:
    files: dict[str, bytes | Pixels] = {f"img/p{n}.PNG": picture(n) for n in range(3)}
    files |= {"masks/P0.png": picture(10), "masks/p1.png": picture(11), "img/P1.png": picture(12)}
    mask = (("lesion", "Masks/{stem}.png"),)
    report = _import(project, folder(files), label_from="mask", masks=mask)
    assert (report.added, report.rejected) == (4, [])
    assert "mask lesion: 2 of 4 pictures have one" in report.notes
    wrong = (("lesion", "masks/{stem}_seg.png"),)
    with pytest.raises(Unmatched, match=r"no picture has a mask lesion .* it would be masks/P1_seg.png"):
        _import(project, folder(files), label_from="mask", masks=wrong)
    assert _import(project, folder(files), label_from="mask", masks=wrong, allow_unmatched=True).counts


@pytest.mark.parametrize("first", ["Normal", "normal "])
def test_class_folders_that_differ_by_case_are_refused_and_by_space_or_coding_are_one(
    project: Project, folder: Maker, first: str
) -> None:
    directory = folder({f"train/{first}/1.png": picture(1), "test/normal/2.png": picture(2)})
    if first == "Normal":
        with pytest.raises(BadInput, match="'Normal' and 'normal' differ by case alone"):
            _import(project, directory)
        assert _import(project, directory, label="normal").added == 2
    else:
        assert _import(project, directory).counts == {"train": {"normal": 1}, "test": {"normal": 1}}


def test_class_folders_and_labels_of_a_table_meet(project: Project, folder: Maker) -> None:
    name = "Zyste_ä"
    files: dict[str, bytes | Pixels] = {f"{unicodedata.normalize('NFD', name)}/1.png": picture(1)}
    files |= {f"{name}/2.png": picture(2), "Normal/3.png": picture(3), "4.png": picture(4)}
    table = f"file,label\n{name}/1.png,{name}\n{name}/2.png,zyste_ä\nNormal/3.png, normal \n4.png,NORMAL\n"
    report = _import(project, folder({**files, "metadata.csv": table.encode()}))
    labels = {label: 0 for counts in report.counts.values() for label in counts}
    assert (report.added, report.rejected, set(labels)) == (4, [], {name, "Normal"})


def test_a_label_that_differs_from_one_of_the_project_by_case_is_said(project: Project, folder: Maker) -> None:
    _import(project, folder({"1.png": picture(1)}), label="Normal")
    report = _import(project, folder({"2.png": picture(2)}), label="normal")
    assert any(note.startswith("the labels Normal, normal differ by case alone") for note in report.notes)


COLUMNS = {"subject_column": "who", "split_column": "who", "file_column": "who", "label_columns": ("who",)}


@pytest.mark.parametrize("option", COLUMNS)
def test_an_option_that_names_a_column_which_is_not_there_is_an_error_for_every_kind_of_source(
    project: Project, folder: Maker, tmp_path: Path, option: str
) -> None:
    asked = {option: COLUMNS[option]}
    directory = folder({"a/1.png": picture(1)})
    with pytest.raises(BadInput, match="no column who: there is no table"):
        _import(project, directory, **asked)
    with pytest.raises(BadInput, match="no column who: there is no table"):
        _import(project, directory / "a" / "1.png", **asked)
    table = tmp_path / "list.csv"
    table.write_text("file,label\ncells/a/1.png,a\n")
    for source, manifest in ((table, None), (directory, table), (directory / "a" / "1.png", table)):
        with pytest.raises(BadInput, match=r"no column who\. There are file, label"):
            _import(project, source, manifest, **asked)
    folder({"metadata.csv": b"file,label\na/1.png,a\n"})
    with pytest.raises(BadInput, match=r"no column who\. There are file, label"):
        _import(project, directory, **asked)
    dicom = changed(tmp_path / "ct" / "1.dcm", "CT_small.dcm", seed=1)
    with pytest.raises(BadInput, match="no column who: there is no table"):
        _import(project, dicom.parent, **asked)


def test_a_keyword_of_dicom_without_a_dicom_file_or_such_a_column_is_an_error(project: Project, folder: Maker) -> None:
    directory = folder({"a/1.png": picture(1)})
    for options in ({"covariates": ("PatientSex",)}, {"label_from": "keyword:Modality"}):
        with pytest.raises(BadInput, match="no file here is DICOM"):
            _import(project, directory, **options)
    folder({"metadata.csv": b"file_name,PatientSex\na/1.png,F\n"})
    assert _import(project, directory, covariates=("PatientSex",)).added == 1


def test_a_table_given_with_a_single_file_may_describe_more_files(project: Project, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(encoded(picture(1)))
    (tmp_path / "list.csv").write_text("file,label,subject\n1.png,a,P1\n2.png,a,P2\n")
    report = _import(project, tmp_path / "1.png", tmp_path / "list.csv")
    assert (report.added, report.rejected) == (1, [])
    with pytest.raises(BadInput, match="is a table itself"):
        _import(project, tmp_path / "list.csv", tmp_path / "list.csv")


def test_a_table_that_a_manifest_replaces_is_said(project: Project, folder: Maker, tmp_path: Path) -> None:
    directory = folder({"a/1.png": picture(1), "metadata.csv": b"file,subject\na/1.png,P1\n"})
    (tmp_path / "list.csv").write_text("file,label\na/1.png,b\n")
    report = _import(project, directory, tmp_path / "list.csv")
    assert report.counts.popitem()[1] == {"b": 1}
    assert "not read, since a --manifest was given: metadata.csv" in report.notes


def test_a_subject_is_found_in_whichever_unicode_form_it_is_written(project: Project, folder: Maker) -> None:
    key, written = "Zoë-1", unicodedata.normalize("NFD", "Zoë-1")
    _import(project, folder({"a/1.png": picture(1), "metadata.csv": f"file,subject\na/1.png,{written}\n".encode()}))
    with project.database.read() as session:
        assert find_subject(session, f" {written}").key == key
        assert find_node(session, f"subject:{written}").key == key


def test_a_subject_with_a_mark_that_nobody_sees_is_the_same_patient_and_one_with_a_control_character_is_refused(
    project: Project, folder: Maker
) -> None:
    path = folder({f"a/{number}.png": encoded(picture(number)) for number in range(4)})
    rows = ["file,subject", "a/0.png,p1", "a/1.png,p1\u200b", "a/2.png,\u202ap1\u202c", "a/3.png,p\x071"]
    (path / "metadata.csv").write_text("\n".join(rows))
    report = import_image_folder(project, NOW, path, request=ImportRequest())
    assert (report.added, report.subjects) == (3, {"train": 1})
    [fault] = report.rejected
    assert fault.reason == "its subject holds a control character: expected a text"


def test_a_folder_without_a_file_that_can_be_read_says_why(project: Project, folder: Maker) -> None:
    path = folder({"a/0.bmp": b"BM", "a/1.bmp": b"BM", "a/.hidden.png": b""})
    with pytest.raises(BadInput, match=r"no file that can be read \(2 files: not one of .png, .*; 1 files: hidden"):
        import_image_folder(project, NOW, path)
