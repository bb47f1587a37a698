"""Public web weights are not refused, and every figure on them says what cannot be excluded."""

import json
from pathlib import Path

import pytest

from curation.errors import BadInput, LeakRefused
from curation.progress import silent
from curation.provenance.public_web import OVERLAP, describe_backbone
from curation.provenance.seen import PUBLIC_WEB, Seen
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.backbones.load import Backbone
from train.backbones.provenance import backbone_facts, seen_by_backbone
from train.evaluation.evaluate import evaluate_run


@pytest.fixture
def folder(tmp_path: Path) -> SnapshotFolder:
    return write_snapshot(tmp_path / "snapshot", {"train": 6, "validation": 4, "test": 4})


@pytest.fixture
def on_web(tmp_path: Path) -> Path:
    """A tiny backbone whose card says public web."""
    directory = save_backbone(tmp_path / "web")
    card = {"fitted_on": {"provenance": PUBLIC_WEB, "data": "web images"}}
    (directory / "card.json").write_text(json.dumps(card))
    return directory


def test_weights_of_the_public_web_need_no_override_and_run_and_evaluation_say_so(
    folder: SnapshotFolder, on_web: Path, tmp_path: Path
) -> None:
    config = AdaptationConfig.checked(backbone=str(on_web), adaptation="full", steps=2)
    run = adapt(folder, config, tmp_path / "run", silent)
    assert run.card["saw"]["public_web"] == [f"backbone {on_web}"]
    assert run.card["saw"]["unknown"] == []
    assert evaluate_run(tmp_path / "run", folder, "test", 100, 0).public_web == [f"backbone {on_web}"]
    inherited = seen_by_backbone(tmp_path / "run" / "model", "mine")
    assert inherited.public_web == (f"backbone {on_web}",)
    assert inherited.subjects


def test_a_card_that_says_unknown_needs_the_override(folder: SnapshotFolder, on_web: Path, tmp_path: Path) -> None:
    (on_web / "card.json").write_text(json.dumps({"fitted_on": {"provenance": "UNKNOWN"}}))
    config = AdaptationConfig.checked(backbone=str(on_web), adaptation="linear-probe", steps=2)
    with pytest.raises(LeakRefused, match="--allow-unknown-provenance"):
        adapt(folder, config, tmp_path / "run", silent)


def test_the_backbone_of_saved_figures_is_named_with_what_cannot_be_excluded(on_web: Path, tmp_path: Path) -> None:
    facts = backbone_facts(Backbone.load(on_web))
    assert describe_backbone(facts) == f"web (public web: {OVERLAP})"
    known = backbone_facts(Backbone.load(save_backbone(tmp_path / "known")))
    assert (sorted(known), describe_backbone(known)) == (["backbone", "backbone_digest"], "known")


def test_an_id_of_the_catalogue_is_public_web_only_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    cached = tmp_path / "models--facebook--dinov2-base" / "snapshots" / "abc"
    cached.mkdir(parents=True)
    assert seen_by_backbone(cached, "facebook/dinov2-base").public_web == ("backbone facebook/dinov2-base",)
    assert seen_by_backbone(tmp_path, "facebook/dinov2-base").unknown == ("backbone facebook/dinov2-base",)
    photographs = tmp_path / "models--microsoft--resnet-18" / "snapshots" / "abc"
    photographs.mkdir(parents=True)
    assert seen_by_backbone(photographs, "microsoft/resnet-18").unknown == ("backbone microsoft/resnet-18",)


def test_what_was_seen_is_joined_with_its_public_web_ancestors() -> None:
    joined = Seen(frozenset("a"), frozenset(), public_web=("x",)) | Seen(frozenset("b"), frozenset(), ("u",), ("y",))
    assert (joined.unknown, joined.public_web) == (("u",), ("x", "y"))


@pytest.mark.parametrize(
    "card", ["{", "[]", "{}", '{"fitted_on": []}', '{"fitted_on": {"subjects": []}}', "[" * 90_000]
)
def test_a_card_that_rounds_did_not_write_is_refused_in_one_line(tmp_path: Path, card: str) -> None:
    (tmp_path / "card.json").write_text(card)
    with pytest.raises(BadInput, match=r"card\.json: expected a card with fitted_on"):
        Seen.by_backbone(tmp_path, "other")


@pytest.mark.parametrize("digest", ["A" * 64, "g" * 64, "a" * 63, 7])
def test_a_card_whose_digests_would_equal_no_image_is_refused(tmp_path: Path, digest: object) -> None:
    fitted_on = {"subjects": ["a"], "pixel_sha256": ["b" * 64, digest]}
    (tmp_path / "card.json").write_text(json.dumps({"fitted_on": fitted_on}))
    with pytest.raises(BadInput, match=r"card\.json: expected in pixel_sha256"):
        Seen.by_backbone(tmp_path, "other")
    for read in (Seen.of_entry, Seen.by_generator, lambda entry: Seen.by_lineage({"generators": [entry]})):
        with pytest.raises(BadInput, match="expected in pixel_sha256"):
            read(fitted_on)


def test_a_card_with_a_text_in_place_of_a_list_of_subjects_is_refused() -> None:
    with pytest.raises(BadInput, match="expected in subjects a list of texts, got 'vb-000001'"):
        Seen.of_entry({"subjects": "vb-000001", "pixel_sha256": []})


def test_a_card_that_lists_subjects_beside_public_web_counts_for_both(on_web: Path) -> None:
    fitted_on = {"provenance": PUBLIC_WEB, "subjects": ["a"], "pixel_sha256": ["b" * 64]}
    (on_web / "card.json").write_text(json.dumps({"fitted_on": fitted_on}))
    seen = seen_by_backbone(on_web, "mine")
    assert (seen.subjects, seen.pixel_sha256, seen.public_web) == ({"a"}, {"b" * 64}, ("backbone mine",))
