"""Tiny random towers with a tokenizer of whole words, and a snapshot with captions."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)

from curation.snapshots.folder import SnapshotFolder, caption_digest
from tests.train.snapshots import write_snapshot
from tests.train.tiny import PREPROCESSING

WORDS = (
    "a an the of in is there image medical scan with shows that this bright square at upper lower centre corner near"
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDINGS = {
    "upper": ("a bright square in the upper corner", "square near upper"),
    "lower": ("a bright square in the lower corner", "square near lower"),
    "centre": ("there is a bright square at the centre", "centre square"),
}
NARROW = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def save_tokenizer(path: Path, length: int) -> int:
    """Save a tokenizer of whole words; returns the size of its vocabulary."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS.split()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=length,
    ).save_pretrained(path)  # fmt: skip
    return len(vocabulary)


def save_text_tower(path: Path, length: int = 16) -> Path:
    """Save a random BERT of two layers."""
    torch.manual_seed(1)
    size = save_tokenizer(path, length)
    config = BertConfig(**NARROW, vocab_size=size, max_position_embeddings=length, initializer_range=0.3)
    BertModel(config).save_pretrained(path)
    return path


def save_two_towers(path: Path, kind: str) -> Path:
    """Save a random CLIP or SigLIP with its tokenizer and preprocessing."""
    torch.manual_seed(2)
    size = save_tokenizer(path, 16)
    text = {**NARROW, "vocab_size": size, "max_position_embeddings": 16}
    vision = {**NARROW, "image_size": 32, "patch_size": 8}
    if kind == "clip":
        text |= {"eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0}
        CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).save_pretrained(path)
    else:
        SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(path)
    (path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    (path / "card.json").write_text(json.dumps({"fitted_on": {"subjects": [], "pixel_sha256": []}}))
    return path


def write_captioned_snapshot(path: Path, per_class: dict[str, int], without: tuple[str, ...] = ()) -> SnapshotFolder:
    """Write a snapshot of squares, each with one of two wordings of where it is; classes in `without` have none."""
    folder = write_snapshot(path, per_class, labels=tuple(WORDINGS), strength=0.6)
    for split in per_class:
        metadata = path / split / "metadata.jsonl"
        rows = [json.loads(line) for line in metadata.read_text().splitlines()]
        for number, row in enumerate(rows):
            text = "" if row["label"] in without else WORDINGS[row["label"]][number % 2]
            row |= {"text": text, "text_sha256": caption_digest(text)}
        metadata.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows))
    manifest = dict(folder.manifest) | {"captions": 1}
    (path / "snapshot.json").write_text(json.dumps(manifest))
    return SnapshotFolder.open(path)
