"""The loss of each objective is what its paper says, computed here in a few plain lines."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import ViTMAEForPreTraining

from curation.errors import BadInput
from tests.train.pretraining.networks import NETWORKS, save_network
from train.backbones.load import Backbone
from train.pretraining.batch import TrainingBatch, make_batch
from train.pretraining.continued_recipe import ContinuedRecipe, ViewSettings
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objective_table import (
    OBJECTIVES,
    Contrastive,
    FeatureDistillation,
    Hybrid,
    MaskedAutoencoding,
    ObjectiveConfig,
    SelfDistillation,
    SimMim,
)
from train.pretraining.objectives import (
    anchored,
    contrastive,
    feature_distillation,
    hybrid,
    masked_autoencoding,
    self_distillation,
    simmim,
)
from train.pretraining.objectives.implementation import find_objective
from train.pretraining.tokens import load_backbone, read_tokens
from train.pretraining.trained_encoder import TrainedEncoder

FIELDS = ("images", "views", "crops", "noise", "labels", "progress")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every tiny network."""
    root = tmp_path_factory.mktemp("networks")
    for kind in NETWORKS:
        save_network(kind, root / kind)
    return root


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    """Numbers are compared; the one test of gradients asks for them."""
    with torch.no_grad():
        yield


def make_model(
    networks: Path, settings: ObjectiveConfig, kind: str = "dinov2", trainable: str = "full"
) -> ObjectiveModel:
    """The model of an objective around a tiny network."""
    torch.manual_seed(0)
    recipe = ContinuedRecipe.checked(name="x", objective=settings, trainable=trainable, lora_rank=2)
    context = FitContext(4, 2, images(), lambda name, size: load_backbone(str(networks / name), size, networks))
    encoder = TrainedEncoder.prepare(Backbone.load(networks / kind), recipe)
    return find_objective(settings).make_model(encoder, settings, context)


def images(count: int = 6) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def make_full_batch(model: ObjectiveModel, needs: tuple[str, ...] = FIELDS) -> TrainingBatch:
    """A batch of six images with these fields."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.tensor([0, 1] * 3)
    return make_batch(needs, images(), labels, model.batch_shape, ViewSettings(), generator, 0.5)


def settings_of(kind: str) -> ObjectiveConfig:
    """The settings of an objective, small."""
    special: dict[str, ObjectiveConfig] = {
        "self-distillation": SelfDistillation(num_prototypes=8, num_local_crops=2),
        "feature-distillation": FeatureDistillation(teacher="convnext"),
        "hybrid": Hybrid(self_supervised=SimMim(), weights=(0.5,)),
    }
    return special.get(kind) or OBJECTIVES[kind]()


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_an_objective_reads_the_fields_that_it_declares_and_refuses_a_batch_without_one(
    networks: Path, kind: str
) -> None:
    settings = settings_of(kind)
    model, loss = make_model(networks, settings), find_objective(settings).loss
    needs = settings.batch_needs()
    with torch.enable_grad():
        value = loss(model, make_full_batch(model, needs))
        value.backward()
    assert math.isfinite(value.item())
    assert any(weight.grad is not None and weight.grad.any() for weight in model.encoder.network.parameters())
    for missing in needs:
        with pytest.raises(ValueError, match=f"needs {missing} in its batch"):
            loss(model, make_full_batch(model, tuple(name for name in needs if name != missing)))


def test_nt_xent_is_that_of_plain_loops(networks: Path) -> None:
    projected, temperature = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), 0.3

    def similarity(a: int, b: int) -> float:
        return float(torch.cosine_similarity(projected[a], projected[b], dim=0)) / temperature

    losses = []
    for row in range(8):
        partner = (row + 4) % 8
        others = sum(math.exp(similarity(row, other)) for other in range(8) if other != row)
        losses.append(-math.log(math.exp(similarity(row, partner)) / others))
    assert float(contrastive.nt_xent(projected, temperature)) == pytest.approx(sum(losses) / 8, rel=1e-5)
    model = make_model(networks, Contrastive(temperature=0.3))
    batch = make_full_batch(model)
    by_hand = contrastive.nt_xent(torch.cat([model.project(model.encoder(view)) for view in batch.views]), 0.3)
    assert float(contrastive.loss(model, batch)) == pytest.approx(float(by_hand), rel=1e-4)


def test_self_distillation_crosses_every_view_of_the_teacher_with_every_other_crop(networks: Path) -> None:
    settings = SelfDistillation(num_prototypes=4, num_local_crops=1, temperature_warmup=0.5)
    model = make_model(networks, settings).eval()
    model.centre.copy_(torch.tensor([0.1, -0.2, 0.0, 0.05]))
    batch = make_full_batch(model)
    teacher = [
        torch.softmax((model.teacher_head(model.teacher(view)) - model.centre) / 0.07, 1) for view in batch.views
    ]
    crops = (*batch.views, *batch.crops)
    student = [torch.log_softmax(model.head(model.encoder(crop)) / 0.1, 1) for crop in crops]
    pairs = [(0, 1), (0, 2), (1, 0), (1, 2)]
    by_hand = [float(-(teacher[view] * student[crop]).sum(1).mean()) for view, crop in pairs]
    assert float(self_distillation.loss(model, batch)) == pytest.approx(sum(by_hand) / 4, rel=1e-4)


def test_the_centre_and_the_teacher_follow_by_hand_and_the_temperature_rises(networks: Path) -> None:
    settings = SelfDistillation(num_prototypes=4, num_local_crops=0, centre_momentum=0.75, temperature_warmup=0.5)
    model = make_model(networks, settings).train()
    batch = make_full_batch(model)
    scores = model.teacher_head(model.teacher(torch.cat(batch.views)))
    self_distillation.loss(model, batch)
    torch.testing.assert_close(model.centre, 0.25 * scores.mean(0), rtol=1e-4, atol=1e-6)
    assert [model.teacher_temperature(share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([0.04, 0.055, 0.07, 0.07])

    kept = model.kept_weights(steps=4)
    student, teacher = model.head.prototypes, model.teacher_head.prototypes
    student.add_(1.0)
    before = teacher.clone()
    kept.after_step()
    torch.testing.assert_close(teacher, 0.99 * before + 0.01 * student)
    before = teacher.clone()
    kept.after_step()
    momentum = 1 - 0.01 * (math.cos(math.pi / 4) + 1) / 2
    torch.testing.assert_close(teacher, momentum * before + (1 - momentum) * student)


@pytest.mark.parametrize("kind", ["vit", "dinov2", "registers", "vit-mae"])
def test_masked_autoencoding_encodes_visible_patches_and_counts_masked_ones(networks: Path, kind: str) -> None:
    model = make_model(networks, MaskedAutoencoding(mask_ratio=0.75), kind)
    batch = make_full_batch(model)
    out = model(batch.images, batch.noise)
    assert out.mask.sum(1).tolist() == [12.0] * 6
    target = simmim.cut_cells(batch.images, 8)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    errors = ((out.logits - target) ** 2).mean(-1)
    by_hand = sum(float(errors[i, t]) for i in range(6) for t in range(16) if out.mask[i, t]) / 72
    assert float(masked_autoencoding.loss(model, batch)) == pytest.approx(by_hand, rel=1e-4)

    hidden = torch.where(simmim.spread_cells(out.mask.bool(), 32), torch.full_like(batch.images, 9.0), batch.images)
    seen = model.autoencoder.vit(batch.images, batch.noise).last_hidden_state
    torch.testing.assert_close(model.autoencoder.vit(hidden, batch.noise).last_hidden_state, seen)


def test_the_encoder_with_nothing_masked_is_the_backbone_itself(networks: Path) -> None:
    for kind in ("vit", "dinov2", "vit-mae"):
        model = make_model(networks, MaskedAutoencoding(), kind)
        model.autoencoder.vit.mask_ratio = 0.0
        rising = torch.arange(16.0).expand(6, -1)
        tokens = model.autoencoder.vit(images(), rising).last_hidden_state
        torch.testing.assert_close(tokens[:, 1:], model.encoder.tokens(images()).patches, rtol=1e-4, atol=1e-5)


def test_masked_autoencoding_from_nothing_has_the_same_loss(networks: Path) -> None:
    model = make_model(networks, MaskedAutoencoding())
    assert isinstance(model.autoencoder, ViTMAEForPreTraining)
    batch = make_full_batch(model)
    assert torch.equal(masked_autoencoding.loss(model, batch), masked_autoencoding.loss(model.autoencoder, batch))


@pytest.mark.parametrize("kind", ["dinov2", "convnext", "resnet"])
def test_simmim_covers_cells_and_counts_their_pixels_alone(networks: Path, kind: str) -> None:
    model = make_model(networks, SimMim(mask_ratio=0.5), kind).eval()
    assert model.has_mask_token == (kind == "dinov2")
    batch, side = make_full_batch(model), model.encoder.cell_size
    grid = 32 // side
    rank = batch.noise.argsort(1).argsort(1)
    mask = rank >= grid * grid // 2
    predicted = model.predict(model.covered_tokens(batch.images, mask))
    errors = []
    for image in range(6):
        for row in range(grid):
            for column in range(grid):
                if mask[image, row * grid + column]:
                    cell = batch.images[image, :, row * side : row * side + side, column * side : column * side + side]
                    told = predicted[image, row * grid + column].reshape(side, side, 3).permute(2, 0, 1)
                    errors.append(float((told - cell).abs().mean()))
    assert float(simmim.loss(model, batch)) == pytest.approx(sum(errors) / len(errors), rel=1e-4)

    other = torch.where(simmim.spread_cells(mask, 32), torch.full_like(batch.images, 7.0), batch.images)
    torch.testing.assert_close(model.covered_tokens(other, mask), model.covered_tokens(batch.images, mask))


def test_a_hybrid_is_cross_entropy_plus_the_weighted_objective(networks: Path) -> None:
    model = make_model(networks, Hybrid(self_supervised=SimMim(), weights=(0.3,)))
    batch = make_full_batch(model)
    log_shares = torch.log_softmax(model.head(model.encoder(batch.images)), 1)
    supervised = -sum(float(log_shares[row, label]) for row, label in enumerate(batch.labels)) / 6
    by_hand = supervised + 0.3 * float(simmim.loss(model.inner, batch))
    assert float(hybrid.loss(model, batch)) == pytest.approx(by_hand, rel=1e-5)
    assert list(Hybrid().variants()) == ["weight 0.1", "weight 0.3", "weight 1"]
    assert Hybrid(self_supervised=Contrastive()).batch_needs() == ("images", "labels", "views")


def test_feature_distillation_is_zero_towards_itself_and_compares_standardised_tokens(networks: Path) -> None:
    itself = make_model(networks, FeatureDistillation(teacher="dinov2")).eval()
    batch = make_full_batch(itself)
    assert float(feature_distillation.loss(itself, batch)) == pytest.approx(0, abs=1e-9)

    model = make_model(networks, FeatureDistillation(teacher="convnext", teacher_input_size=64)).eval()
    large = torch.nn.functional.interpolate(batch.images, (64, 64), mode="bicubic", antialias=True)
    sample = torch.nn.functional.interpolate(images(), (64, 64), mode="bicubic", antialias=True)
    cells, of_sample = (read_tokens(model.target.model, part).patches for part in (large, sample))
    mean, std = of_sample.mean((0, 1)), of_sample.flatten(0, 1).std(0)
    summary_mean, summary_std = of_sample.mean(1).mean(0), of_sample.mean(1).std(0)
    averaged = ((cells - mean) / std).reshape(6, 4, 2, 4, 2, -1)
    tokens = model.encoder.tokens(batch.images)
    summary = model.target.map_summary(torch.cat([tokens.class_token, tokens.patches.mean(1)], 1))
    by_hand = torch.nn.functional.smooth_l1_loss(summary, (cells.mean(1) - summary_mean) / summary_std)
    assert averaged.shape[1] * averaged.shape[3] == tokens.patches.shape[1]
    whole = feature_distillation.loss(model, batch)
    patches = feature_distillation.resize_grid((cells - mean) / std, 16)
    by_hand += torch.nn.functional.smooth_l1_loss(model.target.map_patches(tokens.patches), patches)
    assert float(whole) == pytest.approx(float(by_hand), rel=1e-3)


def test_an_anchor_adds_the_distance_to_the_start(networks: Path) -> None:
    inner = make_model(networks, SimMim())
    context = FitContext(4, 2, images(), lambda name, size: Backbone.load(networks / name))
    model = anchored.AnchoredModel(inner, Backbone.load(networks / "dinov2"), simmim.loss, 2.0, context)
    batch = make_full_batch(model)
    assert float(anchored.loss(model, batch)) == pytest.approx(float(simmim.loss(inner, batch)), abs=1e-6)
    inner.encoder.network.layernorm.bias.add_(0.5)
    distance = model.target(inner.encoder.tokens(batch.images), batch.images)
    assert float(distance) > 0
    assert float(anchored.loss(model, batch)) == pytest.approx(
        float(simmim.loss(inner, batch) + 2 * distance), rel=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("convnext", MaskedAutoencoding(), "leaves patches out, which ConvNextModel cannot"),
        ("dinov2", MaskedAutoencoding(mask_ratio=0.99), "hides all or none"),
        ("convnext", SimMim(mask_ratio=0.99), "hides all or none"),
    ],
)  # fmt: skip
def test_an_objective_refuses_a_network_that_it_cannot_take_in_a_line(
    networks: Path, kind: str, settings: ObjectiveConfig, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        make_model(networks, settings, kind)


def test_low_rank_updates_of_convolutions_train_alone_and_merge_to_the_same_features(networks: Path) -> None:
    model = make_model(networks, Contrastive(), "resnet", "lora")
    encoder = model.encoder.eval()
    trained = [name for name, weights in encoder.model.named_parameters() if weights.requires_grad]
    assert all("lora" in name for name in trained)
    with torch.no_grad():
        for name, weights in encoder.model.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=0.1)
    features = encoder(images())
    assert torch.allclose(encoder.merged().pooled(images()), features, atol=1e-4)
