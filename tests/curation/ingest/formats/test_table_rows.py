"""Tables as people and programs really write them give the right value, or one clear line."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from curation.errors import BadInput
from curation.ingest.formats.tables import Table, TableEntry, read_table
from curation.ingest.import_report import ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.hugging_face import import_hugging_face
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Split
from tests.curation.ingest.sources.folders import encoded, reasons_of, subjects_of
from tests.rows import NOW, picture


def _read(tmp_path: Path, content: str, name: str = "list.csv", encoding: str = "utf-8", **options: object) -> Table:
    (tmp_path / name).write_bytes(content.encode(encoding))
    return read_table(tmp_path / name, ImportRequest(**options))


def _import(project: Project, path: Path, **options: object) -> ImportReport:
    return import_image_folder(project, NOW, path, request=ImportRequest(**{"public_subjects": True, **options}))


ENTRY = TableEntry({"a": 1.0}, "007", Split.TRAIN)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("file,label,subject,split\n1.png,a,007,train\n", "utf-8-sig"),
        ("file,label,subject,split\r\n1.png,a,007,train\r\n", "utf-8"),
        ("file;label;subject;split\n1.png;a;007;train\n", "utf-8-sig"),
        ("file\tlabel\tsubject\tsplit\r\n1.png\ta\t007\ttrain\r\n", "utf-8"),
        ("file,label,subject,split,,\n1.png,a,007,train,,\n,,,,,\n\n", "utf-8"),
        ("file,label,subject,split\n1.png,a,007,train,,\n", "utf-8"),
        (' File , Label,"Patient ID",Split\n"1.png", a ,007 ,train\n', "utf-8"),
        (",file,label,subject,split\n0,1.png,a,007,train\n", "utf-8"),
        ("file\tlabel\tsubject\tsplit\r\n1.png\ta\t007\ttrain\r\n", "utf-16"),
        ("sep=;\r\nfile;label;subject;split\r\n1.png;a;007;train\r\n", "utf-8-sig"),
        ('"sep=|"\nfile|label|subject|split\n1.png|a|007|train\n', "utf-8"),
        ("file|label|subject|split\n1.png|a|007|train\n", "utf-8"),
        ("file,label,subject,split\n1.png,\u200ea,\ufeff007\u202c,train\n", "utf-8"),
    ],
    ids=[
        *("bom", "crlf", "semicolon", "tab", "empty-columns", "empty-cells", "spaces", "index-column"),
        *("utf-16", "says-semicolon", "says-bar", "bar", "invisible-marks"),
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path, content: str, encoding: str) -> None:
    assert _read(tmp_path, content, encoding=encoding).rows == {"1.png": ENTRY}


def test_a_table_with_tabs_is_read_by_its_ending_or_by_its_header(tmp_path: Path) -> None:
    assert _read(tmp_path, "file\tlabel\n1.png\ta,b\n", "list.TSV").rows["1.png"].label == "a,b"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("file,label,label\n1.png,a,b\n", "expected one of the columns label, label. Rename the others"),
        ("file,label,Label\n1.png,a,b\n", "expected one of the columns label, Label"),
        ("file,file_name,who,who\n1.png,1.png,a,b\n", "two columns are called who"),
    ],
)
def test_columns_with_one_name_are_refused_where_it_is_used(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        _read(tmp_path, content, subject_column="who" if "who" in content else None)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "list.csv", "is empty: expected a first line with the names of the columns"),
        (b"PK\x03\x04\x00\x00", "list.csv", "is a spreadsheet, despite its name"),
        ("file,label\n1.png,a\n".encode("utf-16-le"), "list.csv", "holds zero bytes, so it is no text in UTF-8"),
        (b"file,label\n1.png,a\0\n", "list.csv", "holds zero bytes, so it is no text in UTF-8"),
        ('{"file": "1.png"}'.encode("utf-16-be"), "list.jsonl", "holds zero bytes, so it is no text in UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_called_what_it_is(tmp_path: Path, content: bytes, name: str, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=reason):
        read_table(tmp_path / name, ImportRequest())


def test_lines_of_json_may_be_in_utf_16_and_an_object_is_no_label_and_no_subject(tmp_path: Path) -> None:
    lines = [
        {"file": "1.png", "label": "a", "boxes": {"x": 1}},
        {"file": "2.png", "label": {"name": "a"}},
        {"file": "3.png", "label": [{"name": "a"}]},
        {"file": "4.png", "label": "a", "subject": {"id": 4}},
        {"file": "5.png", "label": "a", "subject": ["p5"]},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines)
    table = _read(tmp_path, content, "list.jsonl", encoding="utf-16")
    assert [row.label for row in table.rows.values()] == ["a"]
    expected = "expected a text or a number, got"
    assert table.faults == {f"{n}.png": f"{expected} an object" for n in (2, 3, 4)} | {"5.png": f"{expected} a list"}


def test_names_in_parquet_may_be_bytes_and_ages_those_of_dicom_headers(tmp_path: Path) -> None:
    rows = [{"file": b"1.png", "label": b"a", "age": "041Y"}, {"file": b"2.png", "label": b"a", "age": "11M"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "list.parquet")
    table = read_table(tmp_path / "list.parquet", ImportRequest(covariates=("age",)))
    assert {file: (row.label, row.covariates) for file, row in table.rows.items()} == {
        "1.png": ("a", {"age": "40-49"}),
        "2.png": ("a", {"age": "0-9"}),
    }


def test_findings_may_be_true_and_false(tmp_path: Path) -> None:
    table = _read(tmp_path, "file,eff,nod\n1.png,True,False\n2.png,FALSE,0.5\n", label_columns=("eff", "nod"))
    assert [row.labels for row in table.rows.values()] == [{"eff": 1.0, "nod": 0.0}, {"eff": 0.0, "nod": 0.5}]


def test_columns_with_one_name_do_no_harm_where_none_is_used(tmp_path: Path) -> None:
    assert _read(tmp_path, "file,label,note,note\n1.png,a,x,y\n").rows["1.png"].label == "a"


def test_numbers_keep_their_zeros_and_lose_the_point_that_a_program_added(tmp_path: Path) -> None:
    table = _read(tmp_path, "file,label,subject\n1.png,1.0,7.0\n2.png,1,007\n3.png,1.10,7.5\n")
    assert [(row.label, row.subject) for row in table.rows.values()] == [("1", "7"), ("1", "007"), ("1.10", "7.5")]
    rows = [{"file": "1.png", "label": 1.0, "subject": 7.0}, {"file": "2.png", "label": None, "subject": None}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "list.parquet")
    table = read_table(tmp_path / "list.parquet", ImportRequest())
    assert [(row.label, row.subject) for row in table.rows.values()] == [("1", "7"), (None, None)]


def test_a_class_called_na_is_a_class_and_a_subject_called_na_is_one_and_said(project: Project, tmp_path: Path) -> None:
    lines = ["file,label,subject"]
    for number, name in enumerate(["NA", "None", "null", "p4"]):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(number)))
        lines.append(f"{number}.png,{name},{name}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    report = _import(project, tmp_path / "list.csv")
    assert {label for counts in report.counts.values() for label in counts} == {"NA", "None", "null", "p4"}
    assert {key for key, _ in subjects_of(project).values()} == {"NA", "None", "null", "p4"}
    assert any(
        note.startswith("3 pictures: the subject is called NA, None, unknown or the like") for note in report.notes
    )


def test_a_line_of_json_may_leave_out_what_it_has_no_value_for(tmp_path: Path) -> None:
    lines = [{"file": "1.png", "label": "a"}, {"file": "2.png", "label": "a", "patient_id": "P2"}, {"label": "b"}]
    table = _read(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "list.jsonl")
    assert {file: row.subject for file, row in table.rows.items()} == {"1.png": None, "2.png": "P2"}
    assert list(table.faults) == [""]


def test_rows_that_say_the_same_are_one_row_and_only_contradictions_are_refused(
    project: Project, tmp_path: Path
) -> None:
    for number in range(6):
        (tmp_path / f"p{number}.PNG").write_bytes(encoded(picture(number)))
    (tmp_path / "boxes.csv").write_text(
        "picture,x,Target,split,age\n"
        "p0.png,,0,train,40\n"
        "p1.png,1,1,train,\np1.png,2,1,train,50\nP1.png,3,1,,50\n"
        "p2.png,1,1,train,30\np2.png,1,0,train,30\np2.png,1,1,train,30\n"
        "p3.png,1,1,train,30\np3.png,1,1,test,30\n"
        "p4.png,1,1,train,30\np4.png,1,1,train,41\n"
        "p5.png,1,1,train,30\np5.png,1,1,train,31\n"
    )
    report = _import(
        project,
        tmp_path / "boxes.csv",
        file_column="Picture",
        label_columns=("Target",),
        covariates=("age",),
    )
    named_twice = "named twice in boxes.csv, with different"
    assert reasons_of(report) == {
        "p2.PNG": f"{named_twice} labels (if a picture may have several, say so with --label-separator)",
        "p3.PNG": f"{named_twice} splits",
        "p4.PNG": f"{named_twice} values of age",
    }
    assert report.counts == {"train": {"0": 1, "1": 2}}
    assert any(note.startswith("3 rows name a picture again") for note in report.notes)


@pytest.mark.parametrize(
    ("content", "options", "labels"),
    [
        ("f,finding\n1.png,mass\n1.png,nodule|mass\n", {"label_separator": "|"}, {"mass": 1.0, "nodule": 1.0}),
        (
            "f,mass,cyst\n1.png,1,0\n1.png,0,0.5\n1.png,,0\n",
            {"label_columns": ("mass", "cyst")},
            {"mass": 1, "cyst": 0.5},
        ),
    ],
)
def test_findings_of_several_rows_add_up(
    tmp_path: Path, content: str, options: dict[str, object], labels: dict[str, float]
) -> None:
    options = {"label_columns": ("finding",), **options, "file_column": "f"}
    assert _read(tmp_path, content, **options).rows["1.png"].labels == labels


def _write_set(path: Path, rows: list[dict[str, object]]) -> Path:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    pictures = [{"bytes": encoded(picture(number + 10 * len(path.name))), "path": None} for number in range(len(rows))]
    columns = {"image": pyarrow.array(pictures, kind)}
    columns |= {name: pyarrow.array([row[name] for row in rows]) for name in rows[0]}
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_a_data_set_with_pictures_finds_its_patients_as_tables_do(project: Project, tmp_path: Path) -> None:
    rows = [{"Label": "a", "Patient ID": 7.0}, {"Label": "a", "Patient ID": float("nan")}]
    path = _write_set(tmp_path / "SET.PARQUET", [*rows, {"Label": "b", "Patient ID": 7.0}])
    report = import_hugging_face(project, NOW, path, request=ImportRequest(public_subjects=True))
    assert report.added == 3
    keys = [key for key, _ in subjects_of(project).values()]
    assert (keys.count("7"), sum(key.startswith("image-") for key in keys)) == (2, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subject_column": "who"}, "the data set: no column who. There are image, label"),
        ({"covariates": ("PatientSex",)}, "has no column 'PatientSex'"),
        ({"file_column": "label"}, "--file-column is for files in folders"),
        ({"subject_pattern": "(p)"}, "--subject-pattern is for files in folders"),
        ({"masks": (("m", "x/{name}"),)}, "--mask is for files in folders"),
    ],
)
def test_an_option_that_a_data_set_has_no_use_for_is_an_error(
    project: Project, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    path = _write_set(tmp_path / "set.parquet", [{"label": "a"}])
    with pytest.raises(BadInput, match=message):
        import_hugging_face(project, NOW, path, request=ImportRequest(**options))


def test_the_split_of_a_parquet_file_is_in_its_name_or_in_its_folder(project: Project, tmp_path: Path) -> None:
    for name in ("train/0000.parquet", "sets/Test/part-0.PARQUET", "validation_0.parquet"):
        _write_set(tmp_path / "set" / name, [{"label": "a"}])
    assert set(import_hugging_face(project, NOW, tmp_path / "set").counts) == {"train", "validation", "test"}


def test_files_of_one_data_set_have_the_same_columns(project: Project, tmp_path: Path) -> None:
    _write_set(tmp_path / "set" / "test.parquet", [{"label": "a"}])
    _write_set(tmp_path / "set" / "train.parquet", [{"label": "a", "subject": "P1"}])
    with pytest.raises(BadInput, match=r"test.parquet and train.parquet have different columns"):
        import_hugging_face(project, NOW, tmp_path / "set")
