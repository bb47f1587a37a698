"""Write Croissant 1.1 beside an imagefolder: checksums, record sets, responsible-AI fields."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from curation.exports.facts.evidence import Evidence
from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.image_folder import METADATA, splits_there
from curation.exports.formats.responsible_ai import responsible_ai
from curation.exports.software import NAME, NOT_ANONYMOUS, notice_text

FILE_NAME = "croissant.json"
OPENS_WITH = 'mlcroissant.Dataset("{directory}/croissant.json").records("train")'
CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject"),
    *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
    *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator"),
    *("source", "subField", "transform"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in TERMS},
}
COLUMNS = {
    "label": ("sc:Text", "The class."),
    "origin": ("sc:Text", "real, synthetic or altered."),
    "synthetic": ("sc:Boolean", "Whether anything of the image was made rather than acquired."),
    "subject": ("sc:Text", "A pseudonym; empty where nothing was acquired."),
    "approved_by": ("sc:Text", "people, proxy, or empty where no approval was asked for."),
    "weight": ("sc:Float", "How much the image counts in training."),
    "why": ("sc:Text", "Why the image was taken."),
    "generator": ("sc:Text", "SHA-256 of the generator's weights."),
    "batch": ("sc:Text", "SHA-256 of the request."),
    "index": ("sc:Integer", "Place in the batch; -1 for a real image."),
    "spacing_row_mm": ("sc:Float", "Millimetres from row to row; -1 where unknown."),
    "spacing_column_mm": ("sc:Float", "Millimetres from column to column; -1 where unknown."),
    "pixel_sha256": ("sc:Text", "SHA-256 of shape, depth and values."),
    "file_sha256": ("sc:Text", "SHA-256 of the file."),
}
CAPTION = {"text": ("sc:Text", "The caption that came with the image; empty where there was none.")}


def write_croissant(directory: Path, facts: SnapshotFacts, evidence: Evidence, data: str = "") -> None:
    """Write croissant.json for the imagefolder in `directory`, or in its folder `data` where that is given."""
    prefix = f"{data}/" if data else ""
    splits = list(splits_there(facts))
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        **_about(facts),
        **responsible_ai(facts, evidence),
        "prov:wasDerivedFrom": [{"@id": _by_digest(digest)} for digest in _ancestors(facts)],
        "distribution": [part for split in splits for part in _files(directory, prefix, split)],
        "recordSet": [_records(split, facts.captioned) for split in splits],
    }
    (directory / FILE_NAME).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _about(facts: SnapshotFacts) -> dict[str, Any]:
    creator = facts.options.creator
    about: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9_ -]", "_", facts.name),
        "description": (
            f"{facts.made} synthetic and {facts.real} real images of {len(facts.classes)} classes. "
            f"{NOT_ANONYMOUS} {facts.reading.sentence} {notice_text(facts.notice)}"
        ),
        "license": facts.options.license_or_unknown,
        "url": _by_digest(facts.digest),
        "version": f"1.0.0+{facts.digest[:12]}",
        "dateCreated": f"{facts.built_at:%Y-%m-%d}",
        "datePublished": f"{facts.exported_at:%Y-%m-%d}",
        "citeAs": f"{creator or 'Publisher not stated'}: {facts.name}, {NAME} snapshot {facts.digest}",
        "keywords": ["synthetic medical images", *facts.classes],
    }
    return about | ({"creator": {"@type": "sc:Organization", "name": creator}} if creator else {})


def _by_digest(sha256: str) -> str:
    """Name something without an address by its digest (RFC 6920)."""
    return f"ni:///sha-256;{base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip('=')}"


def _ancestors(facts: SnapshotFacts) -> list[str]:
    """List the digests of the sources, weights and requests that this dataset descends from."""
    return [
        *(source.digest for source in facts.sources),
        *(generator.weights_digest for generator in facts.generators),
        *(batch.digest for batch in facts.batches),
    ]


def _files(directory: Path, prefix: str, split: str) -> list[dict[str, Any]]:
    """Describe the table of a split with its checksum, and its pictures, whose checksums are in that table."""
    path = f"{prefix}{split}/{METADATA}"
    content = (directory / path).read_bytes()
    return [
        {
            "@type": "cr:FileObject",
            "@id": f"{split}-metadata",
            "name": f"{split}-metadata",
            "description": f"One line per image of the {split} split.",
            "contentUrl": path,
            "contentSize": f"{len(content)} B",
            "encodingFormat": "application/jsonlines",
            "sha256": hashlib.sha256(content).hexdigest(),
        },
        {
            "@type": "cr:FileSet",
            "@id": f"{split}-images",
            "name": f"{split}-images",
            "description": f"Pictures of the {split} split; file_sha256 of the table is their checksum.",
            "encodingFormat": "image/png",
            "includes": f"{prefix}{split}/*.png",
        },
    ]


def _records(split: str, captioned: bool) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": f"Images of the {split} split with what is known of them.",
        "key": {"@id": f"{split}/file_name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{split}/file_name",
                "name": f"{split}/file_name",
                "description": "The picture's file.",
                "dataType": "sc:Text",
                "source": {"fileObject": {"@id": f"{split}-metadata"}, "extract": {"column": "file_name"}},
                "references": {"fileSet": {"@id": f"{split}-images"}, "extract": {"fileProperty": "filename"}},
            },
            {
                "@type": "cr:Field",
                "@id": f"{split}/image",
                "name": f"{split}/image",
                "description": "The picture.",
                "dataType": "sc:ImageObject",
                "source": {"fileSet": {"@id": f"{split}-images"}, "extract": {"fileProperty": "content"}},
            },
            *(
                {
                    "@type": "cr:Field",
                    "@id": f"{split}/{name}",
                    "name": f"{split}/{name}",
                    "description": description,
                    "dataType": data_type,
                    "source": {"fileObject": {"@id": f"{split}-metadata"}, "extract": {"column": name}},
                }
                for name, (data_type, description) in (COLUMNS | (CAPTION if captioned else {})).items()
            ),
        ],
    }
