"""Each method is one row of the table and one module, and saved configurations stay flat."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.errors import BadInput
from train.adaptation.automatic import settings_that_apply
from train.adaptation.config import AdaptationConfig, resolve_backbone
from train.adaptation.rows.heads import LinearProbe
from train.adaptation.rows.peft_adapters import Lora
from train.adaptation.rows.weights import Full
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE
from train.study.plan import StudyPlan

# As release 0.1 wrote it.
SAVED = (
    '{"adaptation":"lora","backbone":"shipped","steps":null,"epochs":30,"batch_size":64,"learning_rate":null,'
    '"weight_decay":0.01,"warmup_fraction":0.1,"class_balanced":true,"seed":0,"evaluations":20,"patience":5,'
    '"allow_unknown_provenance":false,"lora_rank":8,"lora_alpha":16,"lora_dropout":0.0}'
)


def test_a_configuration_is_saved_flat_entry_by_entry_as_release_0_1_saved_it() -> None:
    assert AdaptationConfig(method=Lora()).model_dump_json() == SAVED
    assert AdaptationConfig.parse(SAVED) == AdaptationConfig(method=Lora())
    probe = json.loads(SAVED) | {"adaptation": "linear-probe"}
    assert AdaptationConfig().model_dump(mode="json") == probe
    assert AdaptationConfig.parse(json.dumps(probe)).method == LinearProbe()


def test_what_is_newer_than_a_saved_configuration_is_saved_only_where_it_is_asked_for() -> None:
    asked = AdaptationConfig(method=Lora(), start="probe", interpolate=True, soup=3)
    saved = json.loads(asked.model_dump_json())
    assert saved == json.loads(SAVED) | {"start": "probe", "interpolate": True, "soup": 3}
    assert AdaptationConfig.parse(json.dumps(saved)) == asked
    assert asked.digest() != AdaptationConfig(method=Lora()).digest()


def test_the_settings_of_a_method_are_read_from_the_flat_form_and_from_an_object() -> None:
    flat = AdaptationConfig.checked(adaptation="lora", lora_rank=4)
    assert flat == AdaptationConfig(method=Lora(rank=4)) == AdaptationConfig.checked(method={"kind": "lora", "rank": 4})
    plan = StudyPlan.parse(StudyPlan(name="s", adaptation=AdaptationConfig(method=Full(), steps=3)).model_dump_json())
    assert (plan.adaptation.method, plan.adaptation.steps) == (Full(), 3)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"adaptation": "hypnosis"}, "'hypnosis'"),
        ({"adaptation": "full", "lora_rank": 4}, "lora_rank belongs to the adaptation lora, got it with full"),
        ({"adaptation": "lora", "lora_rank": 0}, "rank: .* greater than or equal to 1"),
        ({"adaptation": "lora", "method": {"kind": "lora"}}, "adaptation: Extra inputs"),
        ({"adaptation": "linear-probe", "start": "probe"}, "linear-probe fits a head alone"),
        ({"adaptation": "nearest-mean", "soup": 2}, "nearest-mean fits a head alone"),
        ({"adaptation": "logistic", "augment": "skin", "mix": "mixup"}, "augment, mix: .* logistic fits a head alone"),
        ({"adaptation": "lora", "augment": "knee"}, "augment: expected none or a preset of brain_mr, .*, got 'knee'"),
        ({"adaptation": "lora", "mix_alpha": 0.3}, "mix_alpha belongs to a mix"),
        ({"adaptation": "logistic", "ema_decay": 0.9}, "ema_decay: for fits .* logistic takes no steps"),
        ({"adaptation": "lora", "accumulation": 65}, "accumulation: expected at most the 64 images"),
        ({"adaptation": "linear-probe", "precision": "auto"}, "precision: .* linear-probe fits a head alone"),
        ({"adaptation": "dora", "dora_rank": 0}, "rank: .* greater than 0"),
    ],
)
def test_a_method_that_is_unknown_or_has_foreign_settings_is_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        AdaptationConfig.checked(**values)


def test_settings_that_do_not_apply_to_a_candidate_are_left_out_for_it() -> None:
    settings = {"augment": "skin", "schedule": "linear", "batch_size": 8}
    assert settings_that_apply("logistic", settings) == {"batch_size": 8}
    assert settings_that_apply("linear-probe", settings) == {"schedule": "linear", "batch_size": 8}
    assert settings_that_apply("lora", settings) == settings


def test_configurations_and_the_table_are_imported_without_torch() -> None:
    probe = (
        "import sys, train.adaptation.config, train.study.plan, train.pretraining.recipe; print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_shipped_is_the_shipped_backbone_also_beside_a_directory_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shipped").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_backbone(AdaptationConfig(), tmp_path).backbone == "shipped"
    assert resolve_backbone(AdaptationConfig(backbone="./shipped"), tmp_path).backbone == str(tmp_path / "shipped")
    assert Backbone.load("shipped").directory == SHIPPED_BACKBONE
