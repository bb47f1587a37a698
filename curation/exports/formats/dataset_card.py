"""Write the dataset card: front matter for `datasets`, then what a reader must know."""

import json
import re
from collections.abc import Iterator
from typing import Any

from curation.exports.facts.evidence import Evidence
from curation.exports.facts.gaps import known_gaps
from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.image_folder import features_of, splits_there
from curation.exports.markdown import markdown_table
from curation.exports.software import NAME, NOT_ANONYMOUS, notice_text, software_version
from curation.tables.images import Origin

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
PATTERNS = {"imagefolder": "{split}/*", "parquet": "data/{split}-*.parquet", "release": "data/{split}/*"}
COHORT_SOURCE = (
    "The simulated cohort is rendered from the ICBM 2009a (MNI152) template inside nilearn: read the terms of its "
    "publisher, the Montreal Neurological Institute, before you redistribute what descends from it"
)
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")


def dataset_card(facts: SnapshotFacts, layout: str, evidence: Evidence | None = None, more: str = "") -> str:
    """Write README.md of an export; `more` comes before the gaps. Layouts that `datasets` opens get front matter."""
    body = _body(facts, layout, known_gaps(facts, evidence), more)
    return body if layout not in PATTERNS else f"---\n{''.join(_front_matter(facts, layout))}---\n\n{body}"


def _front_matter(facts: SnapshotFacts, layout: str) -> Iterator[str]:
    """Yield the front matter. JSON is YAML: values are written as JSON, so no name can be read as markup."""
    files = [{"split": split, "path": PATTERNS[layout].format(split=split)} for split in splits_there(facts)]
    features = features_of(facts.classes, facts.captioned)
    known = _SPDX.fullmatch(facts.options.license)
    values: dict[str, Any] = {
        "pretty_name": facts.name,
        "license": facts.options.license.lower() if known else "other",
        "task_categories": ["image-classification"],
        "tags": ["medical", "synthetic", "rounds", *(["simulated"] if facts.simulated else [])],
        "size_categories": [next((name for most, name in SIZES if facts.images < most), "n>1M")],
        "configs": [{"config_name": "default", "data_files": files, "features": features}],
        "dataset_info": {"features": features},
    }
    if not known:
        values["license_name"] = "other" if facts.options.license else "unknown"
    return (f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def _body(facts: SnapshotFacts, layout: str, gaps: list[str], more: str) -> str:
    left_out = f"{facts.real_left_out:,} real images of the snapshot were left out. " if facts.real_left_out else ""
    parts = [
        f"# {facts.name}",
        f"**{facts.made:,} synthetic and {facts.real:,} real images.** {left_out}{NOT_ANONYMOUS}",
        notice_text(facts.notice),
        f"**Reading:** {facts.reading.sentence} {_approval(facts)}",
        "## What is in it",
        _count_table(facts) + "\n" + _pictures(facts),
        "## Where it comes from",
        _sources(facts) + _generators(facts),
        more.strip(),
        "## Known gaps",
        "\n".join(f"- {gap}" for gap in gaps),
        *(["## Columns", _COLUMNS + (_TEXT if facts.captioned else "")] if layout in PATTERNS else []),
        "## Licence, citation, software",
        _imprint(facts),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _approval(facts: SnapshotFacts) -> str:
    reading = facts.reading
    if not reading.frozen_by_people and not reading.frozen_by_proxies:
        return "Which images were taken does not rest on any reading."
    return (
        f"Which images were taken rests on {reading.frozen_by_people} readings by people and "
        f"{reading.frozen_by_proxies} by proxy models; `approved_by` says it for each image."
    )


def _count_table(facts: SnapshotFacts) -> str:
    rows = [
        (split, origin, *(by_label.get(name, 0) for name in facts.classes), sum(by_label.values()))
        for split, by_origin in facts.counts.items()
        for origin, by_label in sorted(by_origin.items())
    ]
    return markdown_table(("split", "origin", *facts.classes, "images"), rows)


def _pictures(facts: SnapshotFacts) -> str:
    height, width, channels = facts.shape
    colours = "gray" if channels == 1 else "RGB"
    return (
        f"{height} x {width} pixels, {facts.bits} bit {colours}, stored losslessly. Synthetic images stand in the "
        "training split only; validation and test subjects are always real."
    )


def _sources(facts: SnapshotFacts) -> str:
    if not facts.sources:
        return ""
    subjects = {True: "known", False: "unknown: every image counts as a subject of its own"}
    rows = [
        (source.name, source.images, subjects[source.subjects_known], source.notice or "-") for source in facts.sources
    ]
    stay = "" if facts.real else " They are not part of this export; the snapshot it was taken from holds them."
    table = markdown_table(("source", "images in the snapshot", "subjects", "notice"), rows)
    return f"Real images.{stay}\n\n{table}\n"


def _generators(facts: SnapshotFacts) -> str:
    if not facts.generators:
        return ""
    drawn = {origin for by in facts.whole.values() for origin in by} - {Origin.REAL.value}
    rows = []
    for generator in facts.generators:
        saw = f"images: {generator.images:,}, subjects: {generator.subjects:,}"
        weights = f"`{generator.weights_digest[:16]}`"
        rows.append((generator.name, weights, saw if generator.provenance_known else "UNKNOWN"))
    settings = [
        (f"`{row.digest[:16]}`", row.generator, row.images, settings_line(row.settings)) for row in facts.batches
    ]
    fits = markdown_table(("generator", "weights, SHA-256", "fitted on"), rows)
    requests = markdown_table(("request, SHA-256", "generator", "images taken", "settings"), settings)
    return f"Generators of the {' and '.join(sorted(drawn))} images.\n\n{fits}\n{requests}"


def settings_line(request: dict[str, Any]) -> str:
    """Write the settings of a generation request on one line."""
    shown = {key: value for key, value in request.items() if key not in ("generator", "counts")}
    return ", ".join(f"{key} {value}" for key, value in sorted(shown.items()))


def _imprint(facts: SnapshotFacts) -> str:
    creator = facts.options.creator or "not stated"
    return (
        f"- Licence of the data: {facts.options.license_or_unknown}\n"
        f"- Publisher: {creator}\n"
        f"- Snapshot `{facts.name}`, digest `{facts.digest}`, built {facts.built_at:%Y-%m-%d}, exported "
        f"{facts.exported_at:%Y-%m-%d}\n"
        + (f"- {COHORT_SOURCE}\n" if facts.simulated else "")
        + f"- Written by {NAME} {software_version()} (Apache-2.0)."
    )


_COLUMNS = """`label` is the class; `origin` real, synthetic or altered; `synthetic` whether anything of the image was
made rather than acquired; `subject` a pseudonym, empty where nothing was acquired; `approved_by` people, proxy, or
empty where no approval was asked for; `why` the reason an image was taken; `generator`, `batch` and `index` give a
synthetic image again (weights digest, request digest, place in the batch); `spacing_*_mm` is -1 where it is not known;
`pixel_sha256` is over shape, depth and values, whatever the file format; `file_sha256` over the file."""
_TEXT = """ `text` is the caption that came with the image, empty where there was none; whether a caption of acquired
images names anybody was not checked."""
