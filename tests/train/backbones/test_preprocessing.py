"""Published preprocessing files give the values of transformers, or one line that names the entry."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import SamVisionConfig, SamVisionModel, ViTConfig, ViTModel
from transformers.models.auto.image_processing_auto import get_image_processor_class_from_name

from curation.errors import BadInput
from tests.train.tiny import PREPROCESSING, save_backbone
from train.backbones.load import Backbone
from train.backbones.preprocessing import Preprocessing

VIT, SAM, CLIP, CONVNEXT, EFFICIENTNET = (
    f"{name}ImageProcessor" for name in ("ViT", "Sam", "CLIP", "ConvNext", "EfficientNet")
)
MEDSAM = {
    "do_convert_rgb": True, "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "pad_size": {"height": 48, "width": 48},
    "processor_class": "SamProcessor", "resample": 2, "rescale_factor": 0.00392156862745098,
    "size": {"longest_edge": 48},
}  # fmt: skip
SQUARE = {"height": 24, "width": 24}
OFFSET = {"rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False}
LIKE_TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "medsam": (SAM, MEDSAM),
    "sam, all defaults but its size": (SAM, {"size": {"longest_edge": 32}, "pad_size": {"height": 32, "width": 40}}),
    "a number": (VIT, {"size": 24}),
    "a list": (VIT, {"size": [24, 20]}),
    "as large as fits": (VIT, {"size": {"max_height": 24, "max_width": 30}}),
    "the shorter side": (VIT, {"size": {"shortest_edge": 24}}),
    "padded at last": (VIT, {"size": {"shortest_edge": 24}, "do_pad": True, "pad_size": {"height": 32, "width": 48}}),
    "nothing but a size": (VIT, {"size": SQUARE}),
    "one number for all channels": (VIT, {"size": SQUARE, "image_mean": 0.3, "image_std": 0.2}),
    "not normalised": (VIT, {"size": SQUARE, "do_normalize": False}),
    "not rescaled": (VIT, {"size": SQUARE, "do_rescale": False}),
    "other rescale factor": (VIT, {"size": SQUARE, "rescale_factor": 1 / 127.5}),
    "convnext above 383": (CONVNEXT, {"size": {"shortest_edge": 384}}),
    "offset, without normalisation": (EFFICIENTNET, {"size": SQUARE, "do_normalize": False, **OFFSET}),
    "offset": (EFFICIENTNET, {"size": SQUARE, **OFFSET}),
    "deviation twice": (EFFICIENTNET, {"size": SQUARE, "image_std": [0.5, 0.6, 0.7]}),
    **{f"resample {number}": (VIT, {"size": SQUARE, "resample": number}) for number in range(6)},
    **{
        name: (f"{name}ImageProcessor", {"size": SQUARE, "do_center_crop": False})
        for name in ("Beit", "Bit", "Blip", "CLIP", "ChineseCLIP", "DeiT", "Levit", "MobileNetV1", "MobileNetV2")
    },
    **{name: (f"{name}ImageProcessor", {"size": SQUARE}) for name in ("Pvt", "Segformer", "Siglip")},
}


def written(directory: Path, content: dict[str, Any]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "preprocessor_config.json").write_text(json.dumps(content))
    return directory


def images(height: int, width: int) -> np.ndarray:
    """Smooth colour images: a filter that differs a little gives nearly the same value."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(rows / 5 + phase) * np.cos(columns / 7 - phase) for phase in (0.0, 1.0, 2.0)]
    return np.stack([np.stack(waves, axis=-1), np.stack(waves[::-1], axis=-1)]).astype(np.uint8)


@pytest.mark.parametrize("name", LIKE_TRANSFORMERS)
@pytest.mark.parametrize("shape", [(40, 52), (33, 30)])
def test_values_are_those_of_the_processor_of_transformers(name: str, shape: tuple[int, int], tmp_path: Path) -> None:
    type_name, content = LIKE_TRANSFORMERS[name]
    pixels = images(*shape)
    stock = get_image_processor_class_from_name(f"{type_name}Pil")(**content)
    expected = np.stack(stock(list(pixels), input_data_format="channels_last")["pixel_values"])
    ours = Preprocessing.read(written(tmp_path, content | {"image_processor_type": type_name}), 3)
    values = ours(pixels).numpy()
    assert values.shape == expected.shape
    level = ours.scale / 255 / min(ours.std)  # transformers rounds to whole levels, once for each direction
    np.testing.assert_allclose(values, expected, atol=2.1 * level)


@pytest.mark.parametrize("name", LIKE_TRANSFORMERS)
def test_what_was_read_is_written_so_that_it_reads_and_counts_alike(name: str, tmp_path: Path) -> None:
    type_name, content = LIKE_TRANSFORMERS[name]
    read = Preprocessing.read(written(tmp_path / "given", content | {"image_processor_type": type_name}), 3)
    again = Preprocessing.read(written(tmp_path / "again", read.as_config()), 3)
    pixels = images(40, 52)
    torch.testing.assert_close(again(pixels), read(pixels))


def test_fifty_one_of_255_is_what_the_case_asked_for(tmp_path: Path) -> None:
    flat = np.full((1, 32, 32, 1), 51, np.uint8)
    plain = Preprocessing.read(written(tmp_path / "a", {"image_processor_type": VIT, "size": [32, 32]}), 3)
    assert plain(flat).mean().item() == pytest.approx(-0.6)
    content = {"image_processor_type": EFFICIENTNET, "size": 32, "do_normalize": False, **OFFSET}
    offset = Preprocessing.read(written(tmp_path / "b", content), 3)
    assert offset(flat).mean().item() == pytest.approx(-0.6)


def test_a_file_without_a_type_is_read_by_the_type_of_its_model(tmp_path: Path) -> None:
    written(tmp_path, {"size": SQUARE})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert Preprocessing.read(tmp_path, 3).mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    written(tmp_path, {"size": 24, "feature_extractor_type": "ViTFeatureExtractor"})
    assert Preprocessing.read(tmp_path, 3).mean == (0.5,) * 3
    written(tmp_path, {"size": 24, "image_processor_type": "DINOv3ViTImageProcessorFast"})
    assert Preprocessing.read(tmp_path, 3).mean == pytest.approx((0.485, 0.456, 0.406))


def test_a_file_may_begin_with_a_byte_order_mark_and_may_not_be_nested_without_end(tmp_path: Path) -> None:
    written(tmp_path, {"size": SQUARE})
    file = tmp_path / "preprocessor_config.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert Preprocessing.read(tmp_path, 3).size == (24, 24)
    file.write_text("[" * 100_000)
    with pytest.raises(BadInput, match="expected JSON, got what does not parse"):
        Preprocessing.read(tmp_path, 3)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"size": {"longest_edge": 32}}, "size .*'longest_edge': 32.* is not understood with ViTImageProcessor"),
        ({"size": {"shortest_edge": 32, "longest_edge": 64}}, "size .* is not understood"),
        ({"size": {"side": 32}}, "size must have one of the following set of keys"),
        ({"size": "large"}, "size: expected a whole number of pixels, .* got 'large'"),
        ({"size": "32"}, "size: expected a whole number of pixels, .* got '32'"),
        ({"size": [32]}, r"size: expected a whole number of pixels, .* got \[32\]"),
        ({"do_center_crop": True, "crop_size": 24.5}, "crop_size: expected a whole number of pixels, .* got 24.5"),
        ({"do_normalize": "false"}, "do_normalize: expected true or false, got 'false'"),
        ({"do_rescale": 0}, "do_rescale: expected true or false, got 0"),
        ({"rescale_factor": 0}, "rescale_factor: expected a number above 0, as 1/255 is, got 0"),
        ({"rescale_factor": -0.5}, "rescale_factor: expected a number above 0"),
        ({"size": [32, 0]}, "size.width: expected a whole number"),
        ({"size": [32, 10**9]}, "size.width: expected 8,192 pixels at most, got 1,000,000,000"),
        ({"image_std": [0.5, 1e-300, 0.5]}, "image_std: expected numbers above 0, 1e-06 or more"),
        ({"do_resize": False}, "do_resize is false"),
        ({"rescale_offset": True}, "has no entry rescale_offset, got True"),
        ({"do_flip_channel_order": True}, "has no entry do_flip_channel_order"),
        ({"resample": 9}, "resample: expected one of"),
        ({"resample": "bicubic"}, "resample: expected one of"),
        ({"image_mean": [0.5, 0.5]}, "expected image_mean of 3 channels, got 2"),
        ({"image_std": [0.5, 0.0, 0.5]}, "image_std: expected numbers above 0"),
        ({"image_mean": [0.5, float("nan"), 0.5]}, "image_mean: expected finite numbers, got nan"),
        ({"image_mean": None}, "image_mean: expected finite numbers, got None"),
        ({"size": None}, "expected size, got none"),
        ({"rescale_factor": "1/255"}, "rescale_factor: expected finite numbers"),
        ({"image_processor_type": "Qwen2VLImageProcessor"}, "'Qwen2VLImageProcessor' has steps that are not known"),
        ({"image_processor_type": "HouseImageProcessor"}, "'HouseImageProcessor' has steps that are not known"),
        ({"do_pad": True, "pad_size": {"height": 8, "width": 8}}, "pad_size: expected height and width of at least"),
    ],
)
def test_an_entry_that_is_not_understood_is_named(content: dict[str, Any], named: str, tmp_path: Path) -> None:
    written(tmp_path, {"image_processor_type": VIT, "size": SQUARE} | content)
    with pytest.raises(BadInput, match=named):
        Preprocessing.read(tmp_path, 3)


def test_where_the_reference_crops_the_stretch_is_noted(tmp_path: Path) -> None:
    plain = {"image_processor_type": VIT, "size": SQUARE}
    assert Preprocessing.read(written(tmp_path / "a", plain), 3).note is None
    cropped = {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 24}}
    note = Preprocessing.read(written(tmp_path / "b", {"image_processor_type": CLIP} | cropped), 3).note
    assert note is not None
    assert note.startswith("the reference crops the centre; here the whole image is stretched to 32 x 24")
    shortest = {"image_processor_type": CONVNEXT, "size": {"shortest_edge": 32}}
    assert Preprocessing.read(written(tmp_path / "c", shortest), 3).note is not None
    shortest = {"image_processor_type": CONVNEXT, "size": {"shortest_edge": 384}}
    assert Preprocessing.read(written(tmp_path / "d", shortest), 3).note is None


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(BadInput, match="expected"):
        Preprocessing.read(tmp_path, 3)


def test_the_image_encoder_of_sam_gives_features_of_images_of_any_shape(tmp_path: Path) -> None:
    config = SamVisionConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, mlp_dim=16, output_channels=8, image_size=48,
        patch_size=8, window_size=2, global_attn_indexes=[0], num_pos_feats=4,
    )  # fmt: skip
    directory = written(save_backbone(tmp_path / "sam", SamVisionModel(config)), MEDSAM | {"image_processor_type": SAM})
    backbone = Backbone.load(directory)
    assert backbone.features(images(20, 30)).shape == (2, 8)


def test_a_size_that_the_model_does_not_take_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = ViTModel(ViTConfig(**sizes, image_size=32, patch_size=8), add_pooling_layer=False)
    directory = written(save_backbone(tmp_path / "vit", model), PREPROCESSING | {"size": 42})
    with pytest.raises(BadInput, match=r"makes inputs of 42 x 42, and ViTModel .* divide are 40 x 40 and 48 x 48"):
        Backbone.load(directory)
    written(directory, PREPROCESSING | {"size": {"shortest_edge": 32}})
    backbone = Backbone.load(directory)
    backbone.check_images(20, 20, 1)
    backbone.check_images(20, 30, 1)
    with pytest.raises(BadInput, match="makes inputs of 32 x 49"):
        backbone.check_images(20, 31, 1)


def test_only_a_file_that_reads_otherwise_than_in_release_0_1_makes_another_backbone(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit")
    explicit = Backbone.load(directory)
    assert not explicit.preprocessing.is_read_anew
    written(directory, {"size": 32})
    assert Backbone.load(directory).preprocessing.is_read_anew
