"""Read `preprocessor_config.json` as transformers reads it.

What the file leaves out is what the processor of its type takes. The values come from the processors of transformers
that need Pillow alone. A processor with steps of its own is refused by name, unless the steps are followed here.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.image_processing_backends import PilBackend
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers.models.auto.image_processing_auto import (
    IMAGE_PROCESSOR_MAPPING_NAMES,
    get_image_processor_class_from_name,
)

from curation.errors import BadInput

FILE = "preprocessor_config.json"
PLAIN = "ViTImageProcessor"  # resize, rescale, normalise, and nothing else
STEPS = ("_preprocess", "resize", "center_crop", "rescale", "normalize", "pad")
# Their own code for these steps is that of the plain ones (labels of pixels apart), or `Preprocessing` follows it.
FOLLOWED = frozenset(
    f"{name}ImageProcessor" for name in ("Beit", "ConvNext", "EfficientNet", "Levit", "MobileNetV2", "Sam", "Segformer")
)
# Processors that need torchvision, which is not there; they are plain, with these defaults.
DEFAULTS = {"DINOv3ViTImageProcessor": {"image_mean": IMAGENET_DEFAULT_MEAN, "image_std": IMAGENET_DEFAULT_STD}}
# Entries that change pixels, or cannot: any other that begins with `do_` and is true is refused unless its type has it.
HARMLESS = frozenset({"do_convert_rgb", "do_reduce_labels"})
OF_SOME_TYPES = frozenset({"rescale_offset", "include_top", "keep_aspect_ratio"})
SIZES = ("size", "crop_size", "pad_size")
MOST_PIXELS = 8_192  # a side, as for images that are imported
LEAST_DEVIATION = 1e-6  # a smaller one gives no finite input


@dataclass(frozen=True, slots=True)
class ProcessorConfig:
    """What a processor does to an image, every entry filled in; sizes are as transformers names their sides."""

    type_name: str
    size: dict[str, int]
    crop_size: dict[str, int] | None
    pad_size: dict[str, int] | None
    resample: int
    rescale_factor: float | None
    rescale_offset: float
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]


def read_processor_config(directory: Path) -> ProcessorConfig:
    """Read the file in `directory`; raises BadInput that names the entry which is missing or not understood."""
    path = directory / FILE
    content = read_json(path, "size, mean, std")
    type_name = _type_name(content, directory)
    _check_kinds(path, content)
    processor = _make_processor(path, type_name, content)
    if processor.do_resize is False:
        raise BadInput(
            f"{path}: do_resize is false, so images of another size would not fit the model. Set it to true, and size "
            "to what the model was trained at."
        )
    return ProcessorConfig(
        type_name=type_name,
        size=_sides(path, "size", processor.size),
        crop_size=_crop_size(path, content, processor),
        pad_size=_sides(path, "pad_size", processor.pad_size) if processor.do_pad and processor.pad_size else None,
        resample=2 if processor.resample is None else processor.resample,
        rescale_factor=_rescale_factor(path, processor.rescale_factor) if processor.do_rescale else None,
        rescale_offset=-1.0 if processor.do_rescale and getattr(processor, "rescale_offset", False) else 0.0,
        **_normalization(path, processor),
    )


def read_json(path: Path, holds: str) -> dict[str, Any]:
    """Read a JSON object beside weights; raises BadInput when there is none."""
    if not path.is_file():
        raise BadInput(f"{path.parent}: expected {path.name} ({holds}). Save it beside the weights.")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: expected JSON, got what does not parse ({error}). Save it again.") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: expected a JSON object ({holds}), got {type(content).__name__}. Save it again.")
    return content


def _type_name(content: Mapping[str, Any], directory: Path) -> str:
    """Name the processor as transformers does: by the file, else by the model, else the plain one."""
    type_name = content.get("image_processor_type") or content.get("feature_extractor_type")
    if type_name is None:
        config = directory / "config.json"
        model_type = read_json(config, "the architecture").get("model_type", "") if config.is_file() else ""
        of_model = IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type, {})
        type_name = of_model.get("torchvision") or of_model.get("pil") or PLAIN
    name = str(type_name).replace("FeatureExtractor", "ImageProcessor")
    return name.removesuffix("Fast").removesuffix("Pil")


def _make_processor(path: Path, type_name: str, content: Mapping[str, Any]) -> Any:
    """Make the processor of transformers, which fills in what is missing; raises BadInput for steps not known here."""
    processor_class = get_image_processor_class_from_name(f"{PLAIN if type_name in DEFAULTS else type_name}Pil")
    if processor_class is None or not issubclass(processor_class, PilBackend) or not _is_followed(processor_class):
        raise BadInput(
            f"{path}: image_processor_type {type_name!r} has steps that are not known here. If the model takes images "
            f"that are resized, rescaled and normalised, write {PLAIN} there, with size, resample, image_mean and "
            "image_std."
        )
    known = set(processor_class.valid_kwargs.__annotations__)
    foreign = sorted(
        name
        for name, value in content.items()
        if value and name not in known | HARMLESS and (name.startswith("do_") or name in OF_SOME_TYPES)
    )
    if foreign:
        raise BadInput(
            f"{path}: {type_name} has no entry {foreign[0]}, got {content[foreign[0]]!r}. Leave it out, or name the "
            "image_processor_type that has it."
        )
    entries = {name: value for name, value in content.items() if name in known}
    try:
        return processor_class(**DEFAULTS.get(type_name, {}) | entries)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadInput(f"{path}: {type_name} of transformers does not understand it: {error}") from error


def _check_kinds(path: Path, content: Mapping[str, Any]) -> None:
    """Raise BadInput for a switch that is not true or false, and for a size that is no number, pair or named sides."""
    for name, value in content.items():
        if (name.startswith("do_") or name in OF_SOME_TYPES) and not isinstance(value, bool | None):
            raise BadInput(f"{path}: {name}: expected true or false, got {value!r}.")
        is_pair = isinstance(value, list) and len(value) == 2
        if name in SIZES and not (isinstance(value, int | dict | None) or is_pair):
            raise BadInput(
                f"{path}: {name}: expected a whole number of pixels, [height, width] or an object such as "
                f'{{"height": 224, "width": 224}}, got {value!r}.'
            )


def _crop_size(path: Path, content: Mapping[str, Any], processor: Any) -> dict[str, int] | None:
    """The size of the crop; a height and width in the file are not cropped to a size that is not in it."""
    is_default = "crop_size" not in content and "do_center_crop" not in content
    if not processor.do_center_crop or (is_default and "size" in content and "height" in dict(processor.size)):
        return None
    return _sides(path, "crop_size", processor.crop_size)


def _is_followed(processor_class: type) -> bool:
    """Whether its steps are the plain ones, or followed."""
    if processor_class.__name__.removesuffix("Pil") in FOLLOWED:
        return True
    return all(getattr(processor_class, step) is getattr(PilBackend, step) for step in STEPS)


def _normalization(path: Path, processor: Any) -> dict[str, Any]:
    """The mean and the deviation; `include_top` of EfficientNet divides by the deviation once more."""
    again = bool(getattr(processor, "include_top", False))
    std = _numbers(path, "image_std", processor.image_std) if processor.do_normalize or again else 1.0
    mean = _numbers(path, "image_mean", processor.image_mean) if processor.do_normalize else 0.0
    if min(std if isinstance(std, tuple) else (std,)) < LEAST_DEVIATION:
        raise BadInput(
            f"{path}: image_std: expected numbers above 0, {LEAST_DEVIATION:g} or more, got {processor.image_std}."
        )
    if again and processor.do_normalize:
        std = tuple(value**2 for value in std) if isinstance(std, tuple) else std**2
    return {"mean": mean, "std": std}


def _numbers(path: Path, entry: str, value: Any) -> float | tuple[float, ...]:
    if isinstance(value, list | tuple) and value:
        return tuple(_number(path, entry, one_value) for one_value in value)
    return _number(path, entry, value)


def _number(path: Path, entry: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInput(f"{path}: {entry}: expected finite numbers, got {value!r}. Write what the model was trained at.")
    return float(value)


def _rescale_factor(path: Path, value: Any) -> float:
    """The factor; raises BadInput for 0, which makes every image alike, and below it."""
    factor = _number(path, "rescale_factor", value)
    if factor <= 0:
        raise BadInput(f"{path}: rescale_factor: expected a number above 0, as 1/255 is, got {value!r}.")
    return factor


def _sides(path: Path, entry: str, size: Any) -> dict[str, int]:
    """The sides of a size that transformers has brought to one form."""
    sides = dict(size or {})
    if not sides:
        raise BadInput(f"{path}: expected {entry}, got none. Add the {entry} that the model was trained at.")
    for name, value in sides.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BadInput(f"{path}: {entry}.{name}: expected a whole number of pixels, got {value!r}.")
        if value > MOST_PIXELS:
            raise BadInput(f"{path}: {entry}.{name}: expected {MOST_PIXELS:,} pixels at most, got {value:,}.")
    return sides
