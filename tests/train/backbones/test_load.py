"""Backbones of every architecture load safely and give the features of the stock model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import (
    AutoModel,
    BertConfig,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    ConvNextConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    DINOv3ViTConfig,
    PreTrainedConfig,
    ResNetConfig,
    SiglipVisionConfig,
    SwinConfig,
    ViTConfig,
    ViTMAEConfig,
)

from cli.main import rounds
from curation.errors import BadInput, Damaged, Diverged, NotFound
from tests.train.tiny import PREPROCESSING, save_backbone
from train.backbones.load import Backbone, weights_digest
from train.backbones.preprocessing import Preprocessing

VIT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
PATCHES = {"image_size": 32, "patch_size": 8}
ARCHITECTURES: dict[str, tuple[PreTrainedConfig, str]] = {
    "vit": (ViTConfig(**VIT, **PATCHES), "cls-tokens+1"),
    "dinov2": (Dinov2Config(**VIT, **PATCHES), "cls-tokens+1"),
    "dinov2_with_registers": (Dinov2WithRegistersConfig(**VIT, **PATCHES, num_register_tokens=3), "cls-tokens+4"),
    "dinov3": (DINOv3ViTConfig(**VIT, **PATCHES, num_register_tokens=2), "cls-tokens+3"),
    "clip_vision": (CLIPVisionConfig(**VIT, **PATCHES), "cls-tokens+1"),
    "vit_mae": (ViTMAEConfig(**VIT, **PATCHES), "cls-tokens+1"),
    "siglip_vision": (SiglipVisionConfig(**VIT, **PATCHES), "tokens+0"),
    "swin": (
        SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1], num_heads=[2], window_size=2),
        "tokens+0",
    ),
    "convnext": (ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1]), "map"),
    "resnet": (ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]), "map"),
}


def images(count: int = 3, channels: int = 1, size: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_gives_one_finite_vector_per_image(name: str, tmp_path: Path) -> None:
    config, pooling = ARCHITECTURES[name]
    backbone = Backbone.load(save_backbone(tmp_path / "model", AutoModel.from_config(config)))
    features = backbone.features(images())
    assert backbone.pooling == pooling
    assert features.shape == (3, backbone.dimension)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert features.std(axis=0).max() > 0


@pytest.mark.parametrize(("pooling", "vectors"), [("tokens", 1), ("tokens-max", 2), ("tokens-statistics", 4)])
def test_a_directory_may_name_its_pooling_of_patch_tokens(pooling: str, vectors: int, tmp_path: Path) -> None:
    config = ViTConfig(**VIT, **PATCHES, feature_pooling=pooling)
    backbone = Backbone.load(save_backbone(tmp_path / "vit", AutoModel.from_config(config)))
    inputs = backbone.preprocessing(images())
    with torch.inference_mode():
        tokens = backbone.model(inputs).last_hidden_state[:, 1:]
    features = backbone.features(images())
    assert features.shape == (3, 32 * vectors)
    np.testing.assert_allclose(features[:, :32], tokens.mean(dim=1).numpy(), atol=1e-5)


def test_a_two_tower_model_gives_its_image_tower(tmp_path: Path) -> None:
    text = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 99,
    }
    model = CLIPModel(CLIPConfig(vision_config={**VIT, **PATCHES}, text_config=text, projection_dim=16))
    backbone = Backbone.load(save_backbone(tmp_path / "clip", model))
    assert type(backbone.model).__name__ == "CLIPVisionModel"
    assert backbone.features(images()).shape == (3, 64)


def test_features_are_those_of_the_stock_model_on_normalised_pixels(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit", AutoModel.from_config(ViTConfig(**VIT, **PATCHES)))
    pixels = images(size=32)
    stock = AutoModel.from_pretrained(directory, add_pooling_layer=False)
    inputs = torch.from_numpy((pixels / 255 - 0.5) / 0.25).float().permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        hidden = stock(inputs).last_hidden_state
    expected = torch.cat([hidden[:, 0], hidden[:, 1:].mean(dim=1)], dim=1).numpy()
    np.testing.assert_allclose(Backbone.load(directory).features(pixels), expected, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_class_token_and_patch_tokens_come_apart_without_the_registers(name: str, tmp_path: Path) -> None:
    config, pooling = ARCHITECTURES[name]
    backbone = Backbone.load(save_backbone(tmp_path / "model", AutoModel.from_config(config)))
    inputs = backbone.preprocessing(images())
    tokens = backbone.tokens(inputs)
    if pooling.startswith("cls-tokens"):
        assert tokens.class_token is not None
        assert tokens.patches.shape == (3, 16, 32)
        expected = torch.cat([tokens.class_token, tokens.patches.mean(dim=1)], dim=1)
    else:
        assert tokens.class_token is None
        expected = tokens.patches.mean(dim=1)
    torch.testing.assert_close(backbone.pooled(inputs), expected)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in ("convnext", "resnet")])
def test_images_are_fed_at_any_size_that_the_patches_divide(name: str, tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "model", AutoModel.from_config(ARCHITECTURES[name][0]))
    stated, larger = Backbone.load(directory), Backbone.load(directory, input_size=48)
    assert larger.preprocessing.input_size == (48, 48)
    assert larger.digest != stated.digest == Backbone.load(directory, input_size=32).digest
    assert np.isfinite(larger.features(images())).all()
    patch = stated.model.config.patch_size
    with pytest.raises(
        BadInput, match=rf"patches are {patch} x {patch}: the nearest sizes that divide are 40 x 40 and"
    ):
        Backbone.load(directory, input_size=42 if patch == 8 else 41)


def test_a_size_in_the_preprocessing_and_one_that_is_asked_for_give_the_same_features(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit", AutoModel.from_config(ViTConfig(**VIT, **PATCHES)))
    asked = Backbone.load(directory, input_size=48).features(images())
    (directory / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | {"size": 48}))
    np.testing.assert_array_equal(Backbone.load(directory).features(images()), asked)


def test_a_map_takes_any_size(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "resnet", AutoModel.from_config(ARCHITECTURES["resnet"][0]))
    assert Backbone.load(directory, input_size=50).features(images()).shape == (3, 16)


def test_a_class_token_alone_is_the_earlier_default_and_another_backbone(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit", AutoModel.from_config(ViTConfig(**VIT, **PATCHES)))
    backbone = Backbone.load(directory)
    before = backbone.pooled_as_before()
    assert (before.pooling, before.dimension, before.digest) == ("cls", 32, weights_digest(directory))
    assert backbone.digest != before.digest
    np.testing.assert_array_equal(before.features(images()), backbone.features(images())[:, :32])
    config = json.loads((directory / "config.json").read_text()) | {"feature_pooling": "cls-tokens"}
    (directory / "config.json").write_text(json.dumps(config))
    stated = Backbone.load(directory)
    assert stated.pooled_as_before() is stated


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("level", [0, 1, 255])
def test_constant_gray_and_sixteen_bit_images_give_finite_and_equal_features(
    name: str, level: int, tmp_path: Path
) -> None:
    backbone = Backbone.load(save_backbone(tmp_path / "model", AutoModel.from_config(ARCHITECTURES[name][0])))
    gray = np.full((2, 40, 40, 1), level, np.uint8)
    features = backbone.features(gray)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features[0], features[1], atol=1e-6)
    np.testing.assert_allclose(backbone.features(np.repeat(gray, 3, axis=3)), features, atol=1e-6)
    np.testing.assert_allclose(backbone.features(gray.astype(np.uint16) * 257), features, atol=1e-5)


def test_a_model_of_one_channel_takes_gray_images_and_refuses_colour(tmp_path: Path) -> None:
    config = ViTConfig(**VIT, **PATCHES, num_channels=1)
    directory = save_backbone(tmp_path / "gray", AutoModel.from_config(config))
    one_channel = PREPROCESSING | {"image_mean": [0.5], "image_std": [0.25]}
    (directory / "preprocessor_config.json").write_text(json.dumps(one_channel))
    backbone = Backbone.load(directory)
    assert backbone.features(images()).shape == (3, 64)
    with pytest.raises(BadInput, match="expected images of 1 channel, got 3"):
        backbone.features(images(channels=3))


def test_a_text_model_is_refused_as_backbone(tmp_path: Path) -> None:
    config = BertConfig(**VIT, vocab_size=50)
    directory = save_backbone(tmp_path / "text", AutoModel.from_config(config))
    with pytest.raises(BadInput, match="'bert' is no model of images: it reads input_ids"):
        Backbone.load(directory)


def test_weights_that_are_not_numbers_are_refused_with_the_first_features(tmp_path: Path) -> None:
    model = AutoModel.from_config(ViTConfig(**VIT, **PATCHES))
    with torch.no_grad():
        model.layernorm.weight[0] = float("nan")
    backbone = Backbone.load(save_backbone(tmp_path / "vit", model))
    with pytest.raises(Diverged, match="NaN or infinite"):
        backbone.features(images())


def test_equal_sixteen_bit_pixels_give_equal_features(tmp_path: Path) -> None:
    backbone = Backbone.load(save_backbone(tmp_path / "vit"))
    pixels = images(5, size=32)
    sixteen_bit = pixels.astype(np.uint16) * 257
    np.testing.assert_allclose(backbone.features(sixteen_bit), backbone.features(pixels), atol=1e-5)


def test_the_digest_is_of_the_weights_and_the_preprocessing_not_of_the_place(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit")
    digest = Backbone.load(directory).digest
    shutil.copytree(directory, tmp_path / "copy")
    assert Backbone.load(tmp_path / "copy").digest == digest
    changed = PREPROCESSING | {"image_mean": [0.4] * 3}
    (directory / "preprocessor_config.json").write_text(json.dumps(changed))
    assert Backbone.load(directory).digest != digest


def test_no_images_give_no_features(tmp_path: Path) -> None:
    backbone = Backbone.load(save_backbone(tmp_path / "vit"))
    assert backbone.features(images(0)).shape == (0, backbone.dimension)


def test_an_id_that_cannot_be_fetched_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NotFound, match="hf download nobody/no-such-backbone"):
        Backbone.load("nobody/no-such-backbone")
    with pytest.raises(NotFound, match="expected a backbone directory"):
        Backbone.load(tmp_path / "missing")


def test_pickled_or_missing_weights_and_unknown_code_are_refused(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(BadInput, match="expected weights as safetensors"):
        Backbone.load(directory)
    (directory / "config.json").write_text(json.dumps({"model_type": "mystery", "auto_map": {"AutoModel": "m.M"}}))
    with pytest.raises(BadInput, match="not an architecture"):
        Backbone.load(directory)


def test_weights_that_would_be_random_are_refused(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(BadInput, match="would be random"):
        Backbone.load(directory)


def test_weights_of_another_shape_and_weights_cut_short_are_refused(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(BadInput, match=r"have another shape than config.json says"):
        Backbone.load(directory)
    (directory / "config.json").write_text(json.dumps(config))
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(Damaged, match="are not whole"):
        Backbone.load(directory)


def test_the_whole_image_is_resized_where_the_model_would_crop_its_centre(tmp_path: Path) -> None:
    config = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | config))
    preprocessing = Preprocessing.read(tmp_path, 3)
    assert preprocessing(images(2)).shape == (2, 3, 32, 32)


def test_a_backbone_is_shown_with_the_stretch_that_stands_for_a_crop(tmp_path: Path) -> None:
    directory = save_backbone(tmp_path / "vit")
    assert "preprocessing" not in CliRunner().invoke(rounds, ["backbone", "show", str(directory)]).output
    config = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    (directory / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | config))
    shown = json.loads(CliRunner().invoke(rounds, ["backbone", "show", str(directory), "--json"]).output)
    assert "the whole image is stretched to 32 x 32" in shown["preprocessing"]


def test_preprocessing_survives_being_written_and_read(tmp_path: Path) -> None:
    written = Preprocessing((32, 32), (0.2,) * 3, (0.3,) * 3, "bicubic", 1.0, 3)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(written.as_config()))
    assert Preprocessing.read(tmp_path, 3) == written


@pytest.mark.parametrize("pixels", [images(2, channels=2), images(2).astype(np.float32), images(2)[0]])
def test_pixels_of_another_kind_are_refused(pixels: np.ndarray) -> None:
    preprocessing = Preprocessing((32, 32), (0.0,) * 3, (1.0,) * 3, "bilinear", 1.0, 3)
    with pytest.raises(BadInput, match="expected"):
        preprocessing(pixels)
