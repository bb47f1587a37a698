"""Fill the responsible-AI fields of Croissant (RAI 1.0) from the database."""

from typing import Any

from curation.exports.facts.evidence import Evidence
from curation.exports.facts.gaps import known_gaps
from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.dataset_card import settings_line
from curation.exports.markdown import figure_text
from curation.exports.software import NAME, NOT_ANONYMOUS, notice_text, software_version
from curation.provenance.public_web import describe_backbone
from curation.tables.people import ReaderKind


def responsible_ai(facts: SnapshotFacts, evidence: Evidence) -> dict[str, Any]:
    """Fill every field by its name in JSON-LD."""
    behind = sum(source.images for source in facts.sources)
    fields: dict[str, Any] = {
        "dataCollection": _collection(facts),
        "dataCollectionType": [
            "Others: drawn by a generative model",
            *(["Secondary data analysis"] if facts.real else []),
        ],
        "dataCollectionMissingData": f"{facts.real_left_out} real images of the snapshot are not in this export.",
        "dataCollectionRawData": (
            f"{behind} real images from {len(facts.sources)} sources stand behind it, {facts.real} of them in this "
            "export."
        ),
        "dataCollectionTimeFrame": _time_frame(facts),
        "dataImputationProtocol": "Nothing was imputed.",
        "dataPreprocessingProtocol": [
            f"Every image has {facts.shape[0]} x {facts.shape[1]} pixels of {facts.bits} bit, stored losslessly.",
            "Values are as stored. What was done to real images before they were imported is not known here.",
        ],
        "dataManipulationProtocol": "Images of origin altered, if any, were damaged on purpose; nothing else was.",
        "dataAnnotationProtocol": _protocol(facts),
        "dataAnnotationPlatform": [f"{NAME} {software_version()}, review page"],
        "dataAnnotationAnalysis": _analysis(facts, evidence),
        "annotationsPerItem": _per_item(facts),
        "annotatorDemographics": facts.reading.experience or ["No person read, or none told of their experience."],
        "machineAnnotationTools": _machines(facts),
        "dataBiases": _biases(facts),
        "dataUseCases": ["Research on training image classifiers with synthetic images. Not for diagnosis."],
        "dataLimitations": [notice_text(facts.notice), *known_gaps(facts, evidence)],
        "dataSocialImpact": (
            "Synthetic images can widen who may train on medical images, and can teach a model the faults and biases "
            "of a generator. The effect on people was not studied."
        ),
        "personalSensitiveInformation": _personal(facts),
        "dataReleaseMaintenancePlan": (
            "A snapshot never changes. When a subject withdraws, whoever publishes it takes it back and releases "
            "another under another digest; no other maintenance is promised here."
        ),
    }
    filled = {f"rai:{name}": value for name, value in fields.items() if value}
    return filled | {"rai:hasSyntheticData": facts.made > 0 or facts.simulated}


def _collection(facts: SnapshotFacts) -> str:
    generators = ", ".join(generator.name for generator in facts.generators) or "none"
    return (
        f"{facts.made} synthetic images drawn by generators ({generators}) and {facts.real} real images, taken from "
        f"snapshot {facts.name} (digest {facts.digest}). {facts.reading.sentence}"
    )


def _time_frame(facts: SnapshotFacts) -> list[str]:
    times = [batch.drawn_at for batch in facts.batches] + [source.imported_at for source in facts.sources]
    days = sorted({f"{when:%Y-%m-%d}" for when in times})
    return [days[0], days[-1]] if len(days) > 1 else days


def _protocol(facts: SnapshotFacts) -> list[str]:
    protocols = [
        f"{worklist.name}: {worklist.candidates} candidates and {worklist.controls} controls; question: "
        f"{worklist.asked} Class {'shown' if worklist.label_shown else 'not shown'}; rule: {worklist.rule}."
        for worklist in facts.reading.worklists
    ]
    return protocols or ["No worklist held any of these images: labels are those that were imported or asked for."]


def _analysis(facts: SnapshotFacts, evidence: Evidence) -> list[str]:
    lines = [
        f"{study.worklist}: {line.figure} {figure_text(line.value, line.low, line.high, line.note)} (n {line.n})"
        for study in evidence.studies
        for line in study.with_keys("alpha", "ac1")
        if line.group == "verdict"
    ]
    return lines or ["Not yet read by people: there is no agreement to report."]


def _per_item(facts: SnapshotFacts) -> str:
    reading = facts.reading
    planned = [f"{worklist.name}: {worklist.readers_per_image} planned" for worklist in reading.worklists]
    people, proxies = (reading.readings(kind) for kind in (ReaderKind.HUMAN, ReaderKind.PROXY))
    return "; ".join([*planned, f"{people} readings by people and {proxies} by proxy models in all"])


def _machines(facts: SnapshotFacts) -> list[str]:
    screens = [
        f"screening {batch.screening.get('method')} with backbone {describe_backbone(batch.screening)}"
        for batch in facts.batches
        if batch.screening
    ]
    proxies = facts.reading.readers(ReaderKind.PROXY)
    read = [f"{proxies} proxy models read candidates; no claim rests on their readings"] if proxies else []
    drawn = [f"generator {batch.generator}: {settings_line(batch.settings)}" for batch in facts.batches]
    return list(dict.fromkeys([*drawn, *screens, *read]))


def _biases(facts: SnapshotFacts) -> list[str]:
    biases = ["A generator repeats and sharpens the biases of what it was fitted on."]
    if facts.reading.frozen_by_people or facts.reading.frozen_by_proxies:
        biases.append(
            "Readers, or a proxy model, chose: what they find unusual is rejected more often and stands here less."
        )
    if facts.simulated:
        biases.append("All anatomy descends from one averaged, symmetric template.")
    return biases


def _personal(facts: SnapshotFacts) -> list[str]:
    known = sum(generator.subjects for generator in facts.generators)
    behind = f"The generators were fitted on images of {known} subjects; their keys and images are not told."
    real = f"{facts.real} real images leave under keyed pseudonyms, without file names or attributes of source files."
    return [NOT_ANONYMOUS, behind, real if facts.real else "No real image is in it."]
