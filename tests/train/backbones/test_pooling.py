"""A directory says how a map is pooled, and is refused where its network gives no such features."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, ConvNextConfig

from curation.errors import BadInput
from tests.train.tiny import save_backbone
from train.backbones.load import Backbone


def test_a_directory_of_a_map_may_name_the_maximum_beside_the_mean(tmp_path: Path) -> None:
    config = ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, feature_pooling="map-max")
    directory = save_backbone(tmp_path / "map", AutoModel.from_config(config))
    backbone = Backbone.load(directory)
    inputs = torch.rand(2, 3, 32, 32)
    hidden = backbone.model(inputs).last_hidden_state
    assert (backbone.pooling, backbone.dimension) == ("map-max", 32)
    assert torch.equal(backbone.pooled(inputs), torch.cat([hidden.mean((2, 3)), hidden.amax((2, 3))], dim=1))
    AutoModel.from_config(ConvNextConfig(**config.to_dict() | {"feature_pooling": "cls"})).save_pretrained(directory)
    with pytest.raises(BadInput, match="expected one of map, map-max, map-statistics for ConvNextModel, got 'cls'"):
        Backbone.load(directory)
