"""What every contestant is measured with: images, held-out rows, backbones and their features."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from curation.digests import digest_of
from curation.snapshots.folder import SnapshotFolder
from train.backbones.load import Backbone
from train.backbones.names import backbone_location
from train.evaluation.evaluate import Split, select_held_out_rows
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device


class BakeoffBench:
    """A snapshot with a held-out split, and backbones that are loaded once."""

    def __init__(
        self,
        folder: SnapshotFolder,
        split: Split,
        near: Path,
        feature_directory: Path | None,
        affected: Sequence[str] = (),
    ) -> None:
        self.folder, self.split, self.near, self.feature_directory = folder, split, near, feature_directory
        self.affected = list(affected)  # withdrawals that were allowed
        self.rows = select_held_out_rows(folder, split)
        self.labels = folder.labels(self.rows)
        self._loaded: dict[str, Backbone] = {}
        self._features: dict[str, FeatureCache] = {}

    def backbone(self, name: str) -> Backbone:
        """The backbone as it was loaded, which nothing may change."""
        location = backbone_location(name, self.near)
        if location not in self._loaded:
            self._loaded[location] = Backbone.load(location, choose_device())
        return self._loaded[location]

    def frozen(self, name: str) -> FeatureCache:
        """The features of a backbone, shared by all that leave it as it is."""
        if name not in self._features:
            self._features[name] = FeatureCache(self.backbone(name), self.feature_directory)
        return self._features[name]

    def copied(self, name: str) -> FeatureCache:
        """A copy of the backbone that may be changed; its features are those of the shared one."""
        shared = self.backbone(name)
        return FeatureCache(replace(shared, model=copy.deepcopy(shared.model)), self.feature_directory)

    def random(self, name: str, seed: int) -> FeatureCache:
        """The same network with random weights, whose features are kept nowhere."""
        shared = self.backbone(name)
        model = copy.deepcopy(shared.model)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            drawn = type(model)(model.config).state_dict()
        model.load_state_dict({name: drawn[name] for name in model.state_dict()})  # it may lack an unused pooler
        digest = digest_of([shared.digest, "random weights", seed])
        return FeatureCache(replace(shared, model=model, digest=digest))
