"""DICOM files that hold no image or lie about it are refused in one line each."""

import zlib
from pathlib import Path

import pytest

from curation.errors import BadInput
from curation.ingest.formats import dicom_header
from curation.ingest.formats.codestreams import check_codestream
from curation.project import Project
from tests.curation.ingest.formats.dicom_samples import changed, sample
from tests.curation.ingest.formats.test_dicom import _import
from tests.rows import stored


@pytest.mark.parametrize("keyword", ["PixelRepresentation", "Rows"])
def test_twelve_bit_jpeg_that_its_header_does_not_fit_is_one_line(
    project: Project, tmp_path: Path, keyword: str
) -> None:
    path = changed(tmp_path / "a.dcm", "JPGExtended.dcm", lambda dataset: setattr(dataset, keyword, 1))
    [fault] = _import(project, path).rejected
    assert fault.reason in (
        "12 bit JPEG of signed values or of colour: expected unsigned gray",
        "its header says 256x1, the compressed picture 256x1024",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rtdose.dcm", "RT Dose Storage: not a picture"),
        ("liver_1frame.dcm", "Segmentation Storage: not a picture"),
        ("reportsi.dcm", "Basic Text SR Storage: not a picture"),
        ("waveform_ecg.dcm", "Waveform Storage: not a picture"),
        ("SC_rgb_rle_16bit.dcm", "16 bit colour"),
        ("SC_rgb_rle_32bit.dcm", "32 bits allocated"),
        ("no_meta.dcm", "not a DICOM file: no DICM after 128 bytes, and no data set from its first byte"),
        ("meta_missing_tsyntax.dcm", "no SOP class"),
        ("ExplVR_LitEndNoMeta.dcm", "RT Ion Plan Storage: not a picture"),
        ("ExplVR_BigEndNoMeta.dcm", "RT Ion Plan Storage: not a picture"),
        ("rtstruct.dcm", "RT Structure Set Storage: not a picture"),
        ("priv_SQ.dcm", "no SOP class"),
        ("MR_truncated.dcm", "cannot be decoded"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", "the compressed picture"),
        ("dicomdirtests/TINY_ALPHA/PT000000/ST000000/SE000000/IM000000", "without a picture"),
    ],
)
def test_what_is_no_picture_or_cannot_be_kept_is_one_line(project: Project, name: str, reason: str) -> None:
    report = _import(project, sample(name))
    assert report.added == 0
    [fault] = report.rejected
    assert reason in fault.reason


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("Rows", 0, "without pixels"),
        ("Rows", 65_535, "bytes of pixels"),
        ("NumberOfFrames", 2_000_000, "frames"),
        ("NumberOfFrames", -3, "frames"),
        ("BitsStored", 40, "bits stored"),
        ("RescaleSlope", 0, "other than 0"),
        ("RescaleSlope", "nan", "other than 0"),
        ("PhotometricInterpretation", "CMYK", "photometric"),
        ("SamplesPerPixel", 3, "samples a pixel"),
        ("HighBit", 14, "HighBit is 14: expected 15, since BitsStored is 16"),
        ("PixelRepresentation", 3, "PixelRepresentation: expected 0 (unsigned) or 1 (signed)"),
    ],
)
def test_an_absurd_header_is_one_line(
    project: Project, tmp_path: Path, keyword: str, value: object, reason: str
) -> None:
    path = changed(tmp_path / "a.dcm", "CT_small.dcm", lambda dataset: setattr(dataset, keyword, value))
    [fault] = _import(project, path).rejected
    assert reason in fault.reason
    assert stored(project) == set()


def test_a_compressed_picture_larger_than_its_header_says_never_reaches_a_decoder(
    project: Project, tmp_path: Path
) -> None:
    path = changed(tmp_path / "a.dcm", "693_J2KI.dcm", lambda dataset: setattr(dataset, "Rows", 8))
    [fault] = _import(project, path).rejected
    assert fault.reason == "its header says 512x8, the compressed picture 512x512"
    with pytest.raises(BadInput, match="60000x60000"):
        check_codestream(b"\xff\xd8\xff\xc0\x00\x11\x08" + (60_000).to_bytes(2) * 2 + bytes(20), 16, 16)


def test_a_deflated_file_that_inflates_without_end_is_refused(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_header, "MAX_INFLATED", 1 << 20)
    whole = sample("image_dfl.dcm").read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflate.compress(bytes(50 << 20)) + deflate.flush()
    (tmp_path / "a.dcm").write_bytes(whole[:start] + bomb)
    [fault] = _import(project, tmp_path / "a.dcm").rejected
    assert "decompression bomb" in fault.reason
