"""Towers of text, stock towers of both, and what is given in the wrong place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from curation.errors import BadInput
from curation.snapshots.folder import SnapshotFolder
from train.backbones.preprocessing import Preprocessing
from train.backbones.text_tower import TextTower, explain_cut
from train.image_text.two_towers import load_two_towers

TEXTS = ["a bright square", "there is a bright square at the centre corner", "unknown words"]


def test_a_text_is_the_mean_of_its_tokens_whatever_it_is_padded_with(tiny_text: Path) -> None:
    tower = TextTower.load(tiny_text)
    together = tower.features(TEXTS)
    model, tokenizer = AutoModel.from_pretrained(tiny_text).eval(), AutoTokenizer.from_pretrained(tiny_text)
    for text, vector in zip(TEXTS, together, strict=True):
        with torch.inference_mode():
            alone = model(**tokenizer(text, return_tensors="pt")).last_hidden_state.mean(dim=1)[0].numpy()
        np.testing.assert_allclose(vector, alone, rtol=1e-4, atol=1e-5)


def test_texts_that_are_too_long_are_counted(tiny_text: Path) -> None:
    tower = TextTower.load(tiny_text)
    texts = ["bright " * 40, "bright square"]
    assert (tower.max_length, tower.count_cut(texts)) == (16, 1)
    assert tower.features(texts).shape == (2, 32)
    assert explain_cut(1, 2, 16) == "1 of 2 captions are longer than 16 tokens; the model does not read their rest"
    assert explain_cut(0, 2, 16) is None


def test_zero_shot_logits_are_those_of_transformers(two_towers: Path, squares: SnapshotFolder) -> None:
    pixels = squares.pixels(squares.rows("validation"))[:4]
    towers = load_two_towers(two_towers)
    ours = towers.logits(towers.images(pixels), towers.texts(TEXTS))
    model, tokenizer = AutoModel.from_pretrained(two_towers).eval(), AutoTokenizer.from_pretrained(two_towers)
    length = {"padding": "max_length", "max_length": 16} if two_towers.name == "siglip" else {"padding": True}
    tokens = tokenizer(TEXTS, return_tensors="pt", **length)
    if two_towers.name == "siglip":
        tokens = {"input_ids": tokens["input_ids"]}
    else:
        tokens = {key: tokens[key] for key in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        theirs = model(pixel_values=Preprocessing.read(two_towers, 3)(pixels), **tokens).logits_per_image
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)
    assert cosine_similarity(towers.texts(TEXTS)).shape == (3, 3)


def test_towers_in_the_wrong_place_are_named(tiny_text: Path, tiny_vit: Path, two_towers: Path) -> None:
    with pytest.raises(BadInput, match=r"is no text model: 'vit' does not read text.*--image"):
        TextTower.load(tiny_vit)
    with pytest.raises(BadInput, match="aligned already"):
        TextTower.load(two_towers)
    with pytest.raises(BadInput, match=r"\(bert\) has one tower, and nothing aligns it with text.*backbone align"):
        load_two_towers(tiny_text)
    with pytest.raises(BadInput, match=r"\(vit\) has one tower"):
        load_two_towers(tiny_vit)


def test_a_text_model_without_its_tokenizer_is_refused(tiny_text: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((tiny_text / name).read_bytes())
    with pytest.raises(BadInput, match="no tokenizer that can be read"):
        TextTower.load(tmp_path)
