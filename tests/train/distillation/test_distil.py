"""A small network learns a teacher's features, resumes to equal weights, and says what it saw."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, ConvNextConfig, Dinov2Config

from curation.errors import BadInput, Conflict, Diverged, LeakRefused
from curation.progress import silent
from curation.provenance.seen import Seen
from curation.snapshots.folder import SnapshotFolder
from tests.generate.latent_flow.test_suggest import StepClock
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.backbones.load import Backbone, weights_digest
from train.distillation.architecture_table import ConvNext, ResNet
from train.distillation.distil import distil_backbone
from train.distillation.recipe import DistilRecipe
from train.distillation.teacher_features import Standard, TeacherFeatures, compute_teacher_features
from train.distillation.timing import estimate_distillation
from train.fitting.timing import FitEstimate, OnEstimate
from train.pretraining.from_nothing import choose_rows, split_images
from train.pretraining.objectives.feature_distillation import Features, feature_loss

RECIPE = DistilRecipe(
    name="tiny", image_size=32, architecture=ConvNext(hidden_sizes=(8, 16), depths=(1, 1)), steps=12, batch_size=8,
    warmup_steps=2, held_out=4, checkpoint_every=4,
)  # fmt: skip
RESNET = RECIPE.model_copy(update={"architecture": ResNet(embedding_size=4, hidden_sizes=(8, 16), depths=(1, 1))})


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DINOv2 of one layer, whose card says it saw two subjects."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2}
    config = Dinov2Config(**sizes, image_size=32, patch_size=8, initializer_range=0.3)
    directory = save_backbone(tmp_path_factory.mktemp("teachers") / "teacher", AutoModel.from_config(config))
    card = {"fitted_on": {"subjects": ["web-1", "web-2"], "pixel_sha256": ["ab" * 32]}, "licence": "Apache-2.0"}
    (directory / "card.json").write_text(json.dumps(card))
    return directory


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    return write_snapshot(
        tmp_path_factory.mktemp("snapshots") / "snapshot",
        {"train": 12, "validation": 6, "test": 6},
        synthetic=["upper"],
    )


def distil(
    folder: SnapshotFolder,
    teacher: Path,
    out: Path,
    recipe: DistilRecipe = RECIPE,
    kill_at: str = "",
    on_estimate: OnEstimate | None = None,
    **allowed: bool,
) -> Path:
    def progress(done: int, total: int, message: str) -> None:
        if kill_at and f"{done} {message}".startswith(kill_at):
            raise Killed

    made_by = "rounds backbone distil"
    return distil_backbone(
        folder, str(teacher), recipe, out, progress, made_by, "today", on_estimate=on_estimate, **allowed
    )


@pytest.fixture(scope="module")
def student(folder: SnapshotFolder, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return distil(folder, teacher, tmp_path_factory.mktemp("students") / "student")


@pytest.mark.parametrize(("recipe", "model_name"), [(RECIPE, "ConvNextModel"), (RESNET, "ResNetModel")])
def test_the_student_loads_with_stock_transformers_and_takes_lora(
    folder: SnapshotFolder, teacher: Path, tmp_path: Path, recipe: DistilRecipe, model_name: str
) -> None:
    student = distil(folder, teacher, tmp_path / "student", recipe)
    model, report = AutoModel.from_pretrained(student, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    backbone = Backbone.load(student)
    assert (type(model).__name__, backbone.pooling, backbone.dimension) == (model_name, "map-statistics", 64)
    assert backbone.preprocessing.input_size == (32, 32)
    config = AdaptationConfig.checked(adaptation="lora", backbone=str(student), steps=2, lora_rank=2)
    run = adapt(folder, config, tmp_path / "run", silent)
    assert run.card["parameters"]["trainable"] < run.card["parameters"]["total"]


def test_the_card_names_the_teacher_and_lists_what_both_saw(
    folder: SnapshotFolder, student: Path, teacher: Path
) -> None:
    card = json.loads((student / "card.json").read_text())
    assert card["digest"] == weights_digest(student)
    assert card["teacher"]["digest"] == Backbone.load(teacher).digest
    assert (card["teacher"]["name"], card["teacher"]["licence"]) == ("teacher", "Apache-2.0")
    assert card["fitted_on"]["n_images"] == 24
    assert {"web-1", "web-2"} < set(card["fitted_on"]["subjects"])
    assert all(subject.startswith(("web-", "train-")) for subject in card["fitted_on"]["subjects"])
    assert len(card["fitted_on"]["pixel_sha256"]) == 25
    assert [loss["step"] for loss in card["losses"]] == [4, 8, 12]
    assert not (student / "fit").exists()


@pytest.mark.parametrize(("recipe", "kill_at"), [(RECIPE, "20 features"), (RECIPE, "7 loss"), (RESNET, "7 loss")])
def test_a_fit_killed_and_resumed_gives_the_weights_of_one_that_was_not(
    folder: SnapshotFolder, teacher: Path, tmp_path: Path, recipe: DistilRecipe, kill_at: str
) -> None:
    student = distil(folder, teacher, tmp_path / "student", recipe)
    with pytest.raises(Killed):
        distil(folder, teacher, tmp_path / "resumed", recipe, kill_at)
    assert not (tmp_path / "resumed" / "card.json").exists()
    resumed = distil(folder, teacher, tmp_path / "resumed", recipe)
    assert (student / "model.safetensors").read_bytes() == (resumed / "model.safetensors").read_bytes()
    assert json.loads((student / "card.json").read_text()) == json.loads((resumed / "card.json").read_text())


def test_features_kept_by_a_killed_fit_are_read_and_not_computed_again(
    folder: SnapshotFolder, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        distil(folder, teacher, tmp_path / "student", kill_at="1 loss")
    computed = []
    monkeypatch.setattr(
        "train.distillation.teacher_features._compute_part", lambda *arguments: computed.append(arguments)
    )
    distil(folder, teacher, tmp_path / "student")
    assert computed == []


def test_a_distillation_that_was_timed_gives_the_same_weights_and_features_kept_are_not_counted(
    folder: SnapshotFolder, teacher: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"steps": 50, "checkpoint_every": 25})
    estimates: list[FitEstimate | None] = []
    plain = distil(folder, teacher, tmp_path / "plain", recipe)
    timed = tmp_path / "timed"
    for kill_at in ("20 features", ""):
        try:
            distil(folder, teacher, timed, recipe, kill_at, on_estimate=estimates.append)
        except Killed:
            continue
    assert (plain / "model.safetensors").read_bytes() == (timed / "model.safetensors").read_bytes()
    phases = [(phase.name, phase.steps) for estimate in estimates if estimate for phase in estimate.phases]
    steps = ("distillation", 50)
    assert phases == [("features of the teacher", 24), steps, ("features of the teacher", 0), steps]


def test_an_estimate_counts_images_of_the_teacher_steps_and_evaluations(
    folder: SnapshotFolder, teacher: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"steps": 60, "checkpoint_every": 30})
    images = split_images(folder, recipe, choose_rows(folder, recipe))
    estimate = estimate_distillation(recipe, Backbone.load(teacher), images, tmp_path, tmp_path, StepClock(1.0))
    assert estimate is not None
    features, steps = estimate.phases
    assert (features.steps, features.step_s, features.unit) == (24, 1 / 16, "images")
    assert (steps.steps, steps.step_s) == (60, 1.0)
    assert steps.evaluations_s == pytest.approx(2 * 4 / 8 / 3)  # two times four images, eight at a time, forward alone


def test_distilling_lowers_the_error_of_the_features_on_held_out_images(
    folder: SnapshotFolder, teacher: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"steps": 60, "checkpoint_every": 20, "learning_rate": 5e-3})
    card = json.loads((distil(folder, teacher, tmp_path / "student", recipe) / "card.json").read_text())
    assert card["losses"][-1]["held_out"] < card["losses"][0]["held_out"]
    assert card["metrics"]["explained"] > 0  # better than the mean of the fitted images


def test_the_loss_is_the_smooth_l1_distance_of_the_whole_and_of_the_patches() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, wanted = (
        Features(torch.randn(3, 5, generator=generator) * 2, torch.randn(3, 4, 2, generator=generator))
        for _ in range(2)
    )

    def by_hand(a: torch.Tensor, b: torch.Tensor) -> float:
        differences = (a - b).abs().flatten().tolist()
        return sum(d * d / 2 if d < 1 else d - 0.5 for d in differences) / len(differences)

    whole, patches = by_hand(predicted.whole, wanted.whole), by_hand(predicted.patches, wanted.patches)
    assert float(feature_loss(predicted, wanted, 0.5)) == pytest.approx(whole + 0.5 * patches)
    assert float(feature_loss(predicted, wanted, 0)) == pytest.approx(whole)


def test_the_teacher_s_features_are_its_class_token_and_patch_mean_and_its_patches_on_the_student_s_grid(
    folder: SnapshotFolder, teacher: Path, tmp_path: Path
) -> None:
    pixels = folder.pixels(folder.rows("train"))[:3]
    backbone = Backbone.load(teacher)
    features = compute_teacher_features(backbone, pixels, 2, tmp_path, "three images", silent)
    with torch.inference_mode():
        hidden = backbone.model(backbone.preprocessing(pixels)).last_hidden_state
    patches = hidden[:, 1:].unflatten(1, (4, 4))  # (B, 4, 4, D)
    assert np.allclose(features.whole, torch.cat([hidden[:, 0], patches.mean((1, 2))], 1), atol=5e-3)
    assert features.patches.shape == (3, 4, 16)
    assert np.allclose(features.patches.mean(1), patches.mean((1, 2)), atol=0.2)


def test_standardised_features_have_mean_0_and_deviation_1_and_constant_ones_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    whole = rng.normal(3, 2, (50, 4))
    whole[:, 1] = 7
    features = TeacherFeatures(whole.astype(np.float16), rng.normal(-1, 5, (50, 9, 2)).astype(np.float16))
    standardised = Standard.over(features)(features.of(np.arange(50)))
    assert standardised.whole.mean(0).abs().max() < 1e-3
    assert standardised.whole.std(0, correction=0).tolist() == pytest.approx([1, 0, 1, 1], abs=1e-3)
    assert standardised.patches.std((0, 1), correction=0).tolist() == pytest.approx([1, 1], abs=1e-3)


def test_a_convolutional_teacher_is_learnt_from_by_its_map(folder: SnapshotFolder, tmp_path: Path) -> None:
    config = ConvNextConfig(hidden_sizes=[8, 12], depths=[1, 1], num_stages=2)
    teacher = save_backbone(tmp_path / "map", AutoModel.from_config(config))
    assert Backbone.load(distil(folder, teacher, tmp_path / "student")).dimension == 64


def test_a_teacher_of_unknown_provenance_is_refused_unless_that_is_allowed(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    teacher = save_backbone(tmp_path / "unknown", card=False)
    with pytest.raises(LeakRefused, match="does not list what it saw"):
        distil(folder, teacher, tmp_path / "student")
    out = distil(folder, teacher, tmp_path / "student", allow_unknown_provenance=True)
    assert json.loads((out / "card.json").read_text())["fitted_on"]["unknown"] == ["backbone unknown"]


def test_of_a_teacher_of_the_public_web_comes_a_student_of_the_public_web(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    teacher = save_backbone(tmp_path / "web")
    (teacher / "card.json").write_text(json.dumps({"fitted_on": {"provenance": "public web"}}))
    out = distil(folder, teacher, tmp_path / "student")
    assert json.loads((out / "card.json").read_text())["fitted_on"]["public_web"] == ["backbone web"]
    assert Seen.by_backbone(out, "student").public_web == ("backbone web",)


def test_a_teacher_that_saw_a_held_out_subject_is_refused(folder: SnapshotFolder, tmp_path: Path) -> None:
    teacher = save_backbone(tmp_path / "leaky")
    subject = folder.rows("test")[0].subject
    (teacher / "card.json").write_text(json.dumps({"fitted_on": {"subjects": [subject], "pixel_sha256": []}}))
    with pytest.raises(LeakRefused, match="test subjects"):
        distil(folder, teacher, tmp_path / "student")
    assert not (tmp_path / "student").exists()


def test_a_finished_student_is_left_alone_and_another_teacher_or_recipe_is_refused(
    folder: SnapshotFolder, teacher: Path, student: Path, tmp_path: Path
) -> None:
    written = (student / "model.safetensors").stat().st_mtime_ns
    assert distil(folder, teacher, student) == student
    assert (student / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(Conflict, match="another recipe or snapshot"):
        distil(folder, teacher, student, RECIPE.model_copy(update={"seed": 1}))
    with pytest.raises(Conflict, match="another teacher"):
        distil(folder, save_backbone(tmp_path / "other"), student)


def test_a_fit_that_diverges_leaves_nothing(folder: SnapshotFolder, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="Lower learning_rate"):
        distil(folder, teacher, tmp_path / "student", RECIPE.model_copy(update={"learning_rate": 1e38}))
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"image_size": 30}, r"image_size 30 does not divide by 16 \(4 pixels a place, halved 2 times\)"),
        (
            {"architecture": {"kind": "convnext", "patch_size": 5}},
            r"64 does not divide by 20 \(5 pixels a place, halved 2 times\)",
        ),
        ({"architecture": {"kind": "resnet", "depths": (1, 2)}}, "as many depths as hidden_sizes, got 2 and 3"),
        ({"architecture": {"kind": "resnet", "hidden_sizes": (), "depths": ()}}, "hidden_sizes"),
        ({"architecture": {"kind": "vit"}}, "architecture"),
    ],
)
def test_a_recipe_that_gives_no_network_is_refused(entries: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        DistilRecipe.checked(name="x", steps=1, **entries)
