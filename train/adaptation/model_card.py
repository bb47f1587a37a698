"""Write README.md of a run: a model card in the form of Hugging Face. Torch-free."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from curation.exports.markdown import figure_text, markdown_table
from curation.exports.software import NAME, notice_text, software_version
from curation.files import whole_file
from curation.provenance.tombstones import Tombstones
from train.adaptation.rows.table import METHODS

README, CLASSES = "README.md", "classes.json"
INTENDED = (
    "Research on images like those it was trained on, by people who can judge its errors. It is not a medical device, "
    "nobody has approved it for patients, and its figures hold for the sets they were measured on. Before another use "
    "measure it on images from there: `rounds evaluate RUN --on SET`."
)
MEMORY = (
    "Weights fitted on images of patients may give away whether somebody was among them, and a head that keeps class "
    "means more so. Treat the files as the images are treated, unless a privacy statement stands above."
)
POOLING = {
    "cls": "hidden[:, 0]",
    "tokens": "hidden[:, {first}:].mean(1)",
    "cls-tokens": "torch.cat([hidden[:, 0], hidden[:, {first}:].mean(1)], 1)",
    "tokens-max": "torch.cat([hidden[:, {first}:].mean(1), hidden[:, {first}:].amax(1)], 1)",
    "tokens-statistics": "torch.cat([f(hidden[:, {first}:]) for f in ({statistics})], 1)",
    "map": "hidden.mean((2, 3))",
    "map-max": "torch.cat([hidden.mean((2, 3)), hidden.amax((2, 3))], 1)",
    "map-statistics": "torch.cat([f(hidden.flatten(2).transpose(1, 2)) for f in ({statistics})], 1)",
}
STATISTICS = "lambda x: x.mean(1), lambda x: x.amax(1), lambda x: x.amin(1), lambda x: x.std(1)"


def write_model_card(directory: Path, card: Mapping[str, Any], target: Path | None = None) -> None:
    """Write README.md of the run in `directory`, with every evaluation that lies there, into it or into `target`."""
    evaluations = [json.loads(path.read_text()) for path in sorted(directory.glob("evaluation-*.json"))]
    affected = sorted({*card.get("affected", ()), *Tombstones.read(directory).notes})
    files = target or directory
    content = model_card(directory.name, card, evaluations, affected, {path.name for path in files.iterdir()})
    with whole_file(files / README) as partial:
        partial.write_text(content)


def model_card(
    name: str, card: Mapping[str, Any], evaluations: list[dict[str, Any]], affected: list[str], files: set[str]
) -> str:
    """Write the card: front matter, then what a reader must know. `files` are those beside it."""
    row = METHODS[card["config"]["adaptation"]].row
    backbone = card["backbone"]
    parts = [
        f"# {name}",
        f"**NOT FOR DIAGNOSIS.** {notice_text(card['notice'])}",
        f"A classifier of {', '.join(card['classes'])}: {row.summary[0].lower()}{row.summary[1:]} ({row.paper}), by "
        f"`--adaptation {row.name}`, on the backbone {backbone['name']} (`{backbone['digest'][:16]}`). "
        f"{_trained(card)}Digest of its weights `{card['digest']}`.",
        f"## Intended use\n\n{INTENDED}",
        f"## Data\n\n{_data(card)}",
        f"## Measured\n\n{_measured(card, evaluations)}",
        f"## What it saw\n\n{_saw(card, affected)}",
        f"## Licence\n\nOf the backbone: {backbone.get('licence', 'unknown')}. Of the data it was adapted to: ask "
        "their publisher.",
        f"## Load it\n\n{_loading(card, files)}",
        f"Written by {NAME} {software_version()}.",
    ]
    return f"---\n{''.join(_front_matter(name, card, evaluations))}---\n\n" + "\n\n".join(parts) + "\n"


def _trained(card: Mapping[str, Any]) -> str:
    counts = card.get("parameters")
    return f"{counts['trainable']:,} of {counts['total']:,} weights were trained. " if counts else ""


def _front_matter(name: str, card: Mapping[str, Any], evaluations: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the front matter. JSON is YAML: values are written as JSON, so no name can be read as markup."""
    values: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "image-classification",
        "license": "other",
        "license_name": card["backbone"].get("licence", "unknown"),
        "tags": ["medical", "not-for-diagnosis", "rounds", card["config"]["adaptation"]],
    }
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": _set_name(evaluation), "type": "rounds"},
            "metrics": [{"type": metric, "value": value["value"]} for metric, value in evaluation["metrics"].items()],
        }
        for evaluation in evaluations
    ]
    if results:
        values["model-index"] = [{"name": name, "results": results}]
    return (f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def _data(card: Mapping[str, Any]) -> str:
    height, width, channels = card["shape"]
    counts = ", ".join(f"{count:,} {origin}" for origin, count in card["n_images"].items()) or "none of its own"
    text = (
        f"Snapshot {card['snapshot']['name']} (`{card['snapshot']['digest'][:16]}`): training images {counts}, "
        f"subjects {card['snapshot']['subjects']}; {height} x {width} pixels, {card['bits']} bit "
        f"{'gray' if channels == 1 else 'RGB'}."
    )
    return f"{text} {card['mixed_scales']}" if card.get("mixed_scales") else text


def _set_name(evaluation: dict[str, Any]) -> str:
    on = evaluation.get("on")
    if on is None:
        return f"{evaluation['snapshot']}, {evaluation['split']}"
    return f"external: {on['name']}" + (f", {on['split']}" if on["kind"] == "snapshot" else "")


def _measured(card: Mapping[str, Any], evaluations: list[dict[str, Any]]) -> str:
    of_validation = {name: value for name, value in card["metrics"].items() if name.startswith("validation_")}
    chosen = ", ".join(f"{name.removeprefix('validation_')} {value:.3g}" for name, value in of_validation.items())
    chosen = f"On validation images, which chose among its weights: {chosen or 'nothing'}.\n"
    if not evaluations:
        return chosen + "\nNobody has measured it on test subjects: `rounds evaluate` does."
    metrics = list(evaluations[0]["metrics"])
    rows = [
        (
            _set_name(evaluation),
            f"{evaluation['n_images']} of {evaluation['n_units']} subjects"
            if evaluation["resampled"] == "subject"
            else f"{evaluation['n_images']}, subjects unknown",
            *(figure_text(*(evaluation["metrics"][name][key] for key in ("value", "low", "high"))) for name in metrics),
            "not searched" if evaluation["near_copies"] is None else evaluation["near_copies"],
        )
        for evaluation in evaluations
    ]
    header = ("set", "images", *(name.replace("_", " ") for name in metrics), "near copies of training images")
    return (
        f"{chosen}\n{markdown_table(header, rows)}\nIntervals are at 95 %, by resampling subjects where they are known."
    )


def _saw(card: Mapping[str, Any], affected: list[str]) -> str:
    saw = card["saw"]
    lines = [
        f"- {len(saw['subjects']):,} subjects and {len(saw['pixel_sha256']):,} images, those of ancestors that list "
        "theirs included. The lists stay in the project.",
        *(f"- UNKNOWN PROVENANCE: {name} does not say what it saw." for name in saw.get("unknown", ())),
        *(f"- {name} saw public web images." for name in saw.get("public_web", ())),
        *(f"- WITHDRAWN: {line}" for line in affected),
    ]
    if "privacy" in card:
        lines.append(f"- Privacy: {json.dumps(card['privacy'], sort_keys=True)}")
    return "\n".join(lines) + f"\n\n{MEMORY}"


def _loading(card: Mapping[str, Any], files: set[str]) -> str:
    """How stock libraries load what lies beside the card."""
    pooling = card["backbone"].get("pooling")
    mode = "L" if card["backbone"].get("channels") == 1 else "RGB"
    values = "`image` is an image of Pillow of 8 bit, prepared as the training images were.\n\n"
    if card["bits"] == 16:
        values = (
            "`image` is an image of Pillow of 8 bit: its 16 bit values times 255 / 65,535, which are rounded so.\n\n"
        )
    if "model.onnx" in files:
        return f"{values}```python\n{_onnx_code(mode)}\n```"
    if "inserted" in files:
        return (
            "Layers of its own lie in the encoder, which no stock library knows: `rounds predict` runs it, and "
            "`rounds run export --format onnx` writes it for others."
        )
    if pooling is None:
        return "It was trained by an earlier version, which did not note how features are pooled: train it again."
    text = f"{values}```python\n{_stock_code(card, files, mode)}\n```"
    return text if "model" in files else f"`rounds run export` writes the encoder beside it. Then:\n\n{text}"


def _onnx_code(mode: str) -> str:
    return "\n".join(
        [
            "import json, onnxruntime",
            "from transformers import AutoImageProcessor",
            'processor = AutoImageProcessor.from_pretrained(".")',
            f'inputs = processor(image.convert("{mode}"), return_tensors="np")["pixel_values"]',
            'logits = onnxruntime.InferenceSession("model.onnx").run(None, {"pixel_values": inputs})[0]',
            f'classes = json.load(open("{CLASSES}"))',
        ]
    )


def _stock_code(card: Mapping[str, Any], files: set[str], mode: str) -> str:
    kind, _, first = str(card["backbone"]["pooling"]).partition("+")
    features = POOLING[kind].format(first=first, statistics=STATISTICS)
    interpolate = ", interpolate_pos_encoding=True" if card["backbone"].get("interpolates") else ""
    adapter = ["from peft import PeftModel", 'encoder = PeftModel.from_pretrained(encoder, "adapter")']
    return "\n".join(
        [
            "import json, torch",
            "from safetensors.torch import load_file",
            "from transformers import AutoImageProcessor, AutoModel",
            'processor = AutoImageProcessor.from_pretrained(".")',
            'encoder = AutoModel.from_pretrained("model")',
            *(adapter if "adapter" in files else []),
            'head = load_file("head.safetensors")',
            f'inputs = processor(image.convert("{mode}"), return_tensors="pt")["pixel_values"]',
            "with torch.inference_mode():",
            f"    hidden = encoder.eval()(inputs{interpolate}).last_hidden_state",
            f"    features = {features}",
            '    logits = features @ head["weight"].T + head["bias"]',
            f'classes = json.load(open("{CLASSES}"))',
        ]
    )
