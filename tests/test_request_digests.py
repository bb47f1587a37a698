"""Saved requests keep their digests: rows, cards and checkpoints are recognised by them."""

import pytest

from curation.exports.options import ExportOptions
from curation.pairs.recipe import PairRecipe
from curation.reading.recipe import ExclusionRule, WorklistRecipe
from curation.requests import FrozenRequest
from curation.snapshots.mix import CheckLimit, MixRecipe, ScreeningLimits, Weights
from generate.latent_flow.recipe import AutoencoderRecipe, FitRecipe, FlowRecipe
from generate.request import GenerationRequest
from screening.set_measures.request import MeasureRequest
from train.adaptation.config import AdaptationConfig
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.recipe import PretrainRecipe
from train.study.plan import ReportFacts, StudyPlan

LORA = AdaptationConfig.checked(
    adaptation="lora",
    backbone="/models/vit-Ü",
    steps=40,
    learning_rate=1e-3,
    lora_rank=4,
    lora_alpha=8,
    lora_dropout=0.1,
    seed=3,
    patience=None,
)
FULL = AdaptationConfig.checked(adaptation="full", epochs=3, class_balanced=False, allow_unknown_provenance=True)
STUDY = StudyPlan(
    name="zweite Ü",
    adaptation=AdaptationConfig.checked(adaptation="lora", steps=10, lora_rank=2),
    arms=("real_only", "plus_raw"),
    seeds=(3,),
    metric="balanced_accuracy",
    split="validation",
    n_bootstrap=100,
    confidence=0.9,
    primary="plus_raw",
)
PRETRAINING = PretrainRecipe(
    name="Ü", steps=10, image_size=32, hidden_size=32, num_heads=2, flip=False, feature_pooling="cls", seed=4
)
CONTINUED = ContinuedRecipe.checked(
    name="Ü", objective={"kind": "hybrid", "self_supervised": {"kind": "feature-distillation", "teacher": "shipped"}}
)
GENERATION = GenerationRequest(
    generator="Ü",
    counts={"Läsion": 3},
    seed=2**63 - 1,
    num_inference_steps=6,
    guidance_scale=0.5,
    sampler="euler",
)
FIT = FitRecipe(
    seed=5,
    origins=("real", "synthetic"),
    canvas=32,
    precision="bfloat16",
    autoencoder=AutoencoderRecipe(steps=5, block_out_channels=(8, 16)),
    flow=FlowRecipe(steps=7, label_drop=0.2),
)
MIX = MixRecipe(
    synthetic="raw",
    worklists=("Erste Lesung Ü",),
    seed=3,
    classes=("a", "b"),
    weights=Weights(classes={"a": 2.0}),
    screening=ScreeningLimits(checks=(CheckLimit(check="snr", at_least=0.5),)),
)
WORKLIST = WorklistRecipe(name="Ü", rule="majority", readers_per_image=3, exclusion=ExclusionRule(min_sensitivity=0.5))
REPORT = ReportFacts(human_readings=3, readers=("reader-Ü",), made_by="rounds study", date="2026-01-01")

DIGESTS: list[tuple[FrozenRequest, str]] = [
    (AdaptationConfig(), "d3dbe2d51ab09497b3e10d9e1e2d5e335747be93fc25f265d3aef4b614410139"),
    (LORA, "e1a609bdd503d3c134e7aa1fadbe1d9d56c5dd393e199ff9d0fb332fc1464c41"),
    (FULL, "bac00e71ea99c1611c413943a0b3d3751832eb95948f5446c9b56a202f30cdf2"),
    (StudyPlan(name="first"), "3db284f1b840cf3f54321807887dc946269a2e67c34583b416b04275ed56fdd6"),
    (STUDY, "acc43ff6714e661e9f6033f5dcd1cec101b9d5c539631eb318fdcc8453a5588c"),
    (ReportFacts(), "473b511c2005ec13c7c7cc3f90ac1d464c4c76ccaa4c4e285ffd1bca572e4114"),
    (REPORT, "eff01808d55324eba4eb567789489b41862e41067b1953c3de0597a217866bcf"),
    (PretrainRecipe(name="p", steps=10), "52526fd5a8a15fc8cc70a7ec0be7894174ef0780af5c2c5ce91170a0d03b60a0"),
    (PRETRAINING, "a36fe65574603081ec248550df1c40bd9d95ed90f5f8bc762e37f48f65030b9b"),
    (CONTINUED, "45d45617933ab81fde826ddef8b1d5412511549ca40cece249463f9c1acd18e7"),
    (
        GenerationRequest(generator="g", counts={"b": 1, "a": 2}, seed=7),
        "b1cf783c5efeec197c9aa1e1a7904ccfbcf602717925d9d582ffe95090c9c83f",
    ),
    (GENERATION, "452f7f2bd8b42fe8ba81b1dca566b867479e0027081d391a41c33b6c2aa5587c"),
    (FitRecipe(), "bcb873219975eb6858ba4d5ab846a136b3d7fb76454fdc059a82b3feaba29716"),
    (FIT, "4f3f4252f818b2f93477c17ad4ca2c2325e106db9383e2d587c59dcc1a488b0a"),
    (MixRecipe(), "e890e0a5504cc2698187a6edf3b4c784b6c21fc4a354641b07177521370736a0"),
    (MIX, "5b642bf8c750b464601e86e24d6d4c4d7d53b2bac5e25c60214065cdb1b3084b"),
    (MeasureRequest(), "d85607d211524e4476ae85929b404867a1b32a1e36461adac40b733f64e2b942"),
    (
        MeasureRequest(images="raw", batches=(2,), resamples=20, n=20),
        "e3757a459bbbd145e62a04549adb2bc84d14cf5e8cfb9db1d9672694185bbb47",
    ),
    (WorklistRecipe(name="w"), "97a2b5c3ad2f6c28f2b729c516e2f3f1609f165eada457093f627a338d41e2de"),
    (WORKLIST, "c324c35e5a3e154c183e522ffb3e8ed25243c1cf7067e77f8abb058a20fe118d"),
    (PairRecipe(name="p"), "b806e84d739d2808c7c948d7676ba737a5aa41f4f74a81d8cfc36d6ff8c8fce2"),
    (PairRecipe(name="Ü", suspects=3, seed=1), "28f53f735be2a666da104830ca8fe23b55b983cc5a505d821b79544d666750ea"),
    (ExportOptions(), "b0fb36ef62e475e4eb44d3ed9710350e3b4782546f16ea45275b13315b6a8e53"),
    (
        ExportOptions(license="CC-BY-4.0", creator=" Ü "),
        "4de20470a974b0a67634d5ae8bd6f11b9e5b31370dc1256e64600b1741410e97",
    ),
]


@pytest.mark.parametrize(("saved", "digest"), DIGESTS, ids=[type(row[0]).__name__ for row in DIGESTS])
def test_a_saved_request_keeps_its_digest(saved: FrozenRequest, digest: str) -> None:
    assert saved.digest() == digest


@pytest.mark.parametrize("saved", [row[0] for row in DIGESTS], ids=[type(row[0]).__name__ for row in DIGESTS])
def test_a_request_is_read_back_from_what_is_saved(saved: FrozenRequest) -> None:
    assert type(saved).parse(saved.model_dump_json()) == saved
