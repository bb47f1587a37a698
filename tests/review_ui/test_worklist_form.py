"""The form for a worklist has the choices of the command, in words, and offers what can be built."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from cli.worklist_options import recipe_options
from curation.project import Project
from curation.reading.recipe import ExclusionRule, WorklistRecipe, recipe_of
from curation.tables.people import Role
from curation.tables.reading import Worklist, WorklistKind
from review_ui.asgi import PROJECT_VARIABLE
from review_ui.security.sessions import Sessions, SignedInReader
from review_ui.views import worklist_form
from tests.curation.worklists.test_gate_audits import block
from tests.worlds.study_room import add_study


def page() -> None:
    from review_ui.views.worklist_form import worklist_form as form

    form(["ada", "ben", "eve"], ["general", "brain_mr"])


@pytest.fixture
def project(
    tmp_path: Path, make_project: Callable[[Path], Project], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """Twelve candidates, two of them blocked, 24 real validation and 12 training images, and a signed-in curator."""
    made = make_project(tmp_path / "project")
    add_study(made.database, made.store)
    with made.database.write() as session:
        block(session, [1, 2], "noise")
    curator = SignedInReader(1, "curator", Role.CURATOR, "", False, "", True)
    monkeypatch.setattr(Sessions, "find", lambda *_: curator)
    monkeypatch.setenv(PROJECT_VARIABLE, str(made.root))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # Streamlit leaves its script there
    yield made
    made.database.dispose()


def opened(made_for: str = "Sorting") -> AppTest:
    form = AppTest.from_function(page, default_timeout=60).run()
    if made_for != "Sorting":
        form.button_group[0].set_value(made_for).run()
    assert not form.exception
    return form


def labels(form: AppTest) -> set[str]:
    kinds = (form.number_input, form.text_input, form.selectbox, form.multiselect, form.checkbox)
    return {widget.label for widgets in kinds for widget in widgets}


def number(form: AppTest, label: str, value: float) -> None:
    next(widget for widget in form.number_input if widget.label == label).set_value(value).run()
    assert not form.exception


def made(form: AppTest, project: Project) -> Worklist:
    """Name the worklist, make it, and read it back."""
    next(widget for widget in form.text_input if widget.label == "Name").set_value("from-the-form").run()
    (button,) = form.button
    assert not button.disabled
    button.click().run()
    assert not form.exception
    assert [error.value for error in form.error] == []
    with project.database.read() as session:
        return session.scalars(select(Worklist).where(Worklist.kind != WorklistKind.PRACTICE)).one()


@pytest.mark.slow
def test_an_evidence_list_has_rules_and_an_audit_and_begins_with_what_there_is(project: Project) -> None:
    form = opened("Evidence")
    values = {widget.label: widget.value for widget in form.number_input}
    assert (values["Real controls"], values["Planted defects"], values["Practice images"]) == (12, 12, 12)
    assert [warning.value for warning in form.warning] == []
    number(form, "Of what screening blocked, read as an audit, %", 100)
    for label, limit in (
        ("Rejects fewer of the planted defects than, %", 60),
        ("Rejects more of the real controls than, %", 30),
        ("Reads fewer of the repeats alike than, %", 70),
        ("Takes less time for an image than, ms (median)", 800),
    ):
        number(form, label, limit)
    recipe = recipe_of(made(form, project))
    assert recipe.exclusion == ExclusionRule(
        min_sensitivity=0.6, max_false_rejects=0.3, min_repeat_agreement=0.7, min_median_ms=800
    )
    assert (recipe.gate_audit_share, recipe.rule, recipe.label_shown, recipe.grid) == (1.0, "unanimous", False, False)


@pytest.mark.slow
def test_a_turing_list_is_made_and_has_no_field_that_does_not_fit_it(project: Project) -> None:
    form = opened("Turing test")
    shown = labels(form)
    for label in (
        "Planted defects",
        "Practice images",
        "Rule",
        "Readers per image",
        "Offer the grid",
        "Ask for ratings",
    ):
        assert label not in shown
    assert not any("controls than" in label or "audit" in label for label in shown)
    number(form, "Real controls", 6)
    number(form, "Called alike below this AUC", 0.6)
    worklist = made(form, project)
    recipe = recipe_of(worklist)
    assert (worklist.kind, recipe.kind, recipe.margin, recipe.real_controls) == (WorklistKind.TURING, "turing", 0.6, 6)


@pytest.mark.slow
def test_what_cannot_be_built_is_not_offered(project: Project) -> None:
    form = opened()
    rule = next(widget for widget in form.selectbox if widget.label == "Rule")
    assert rule.options == ["single"]
    number(form, "Readers per image", 2)
    assert next(widget for widget in form.selectbox if widget.label == "Rule").options == [
        "majority", "unanimous", "adjudicated",
    ]  # fmt: skip
    assert "Rejects fewer of the planted defects than, %" not in labels(form)
    assert "Deal out shares" not in labels(form)
    number(form, "Real controls", 24)
    number(form, "Planted defects", 1)
    (warning,) = form.warning
    assert "Expected 24 real controls and planted defects together at most" in warning.value
    assert form.button[0].disabled
    number(form, "Real controls", 23)
    assert [warning.value for warning in form.warning] == []
    next(widget for widget in form.multiselect if widget.label == "Who may read").set_value(["ada"]).run()
    assert "no active reader named ada" in form.warning[0].value.lower()
    next(widget for widget in form.text_input if widget.label == "Name").set_value("a name with spaces").run()
    assert "letters, digits, dots" in form.warning[0].value


@pytest.mark.slow
def test_without_candidates_there_is_no_form(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with project.database.write() as session:
        block(session, list(range(3, 13)), "sharpness")
    worklist_form._limits.clear()
    form = opened()
    assert "No screened candidates wait" in form.warning[0].value
    assert len(form.button) == 0


@pytest.mark.slow
def test_every_option_of_the_command_is_a_field_of_the_form(project: Project) -> None:
    """An option that is added to the command has to be added here and to the form."""
    said = {
        "batches": "Batches", "limit": "Images at most, 0 for all", "passed_only": "Leave out what screening flagged",
        "again": "Settled images again", "readers": "Who may read", "readers_per_image": "Readers per image",
        "allotted": "Deal out shares", "rule": "Rule", "order": "Order", "label_shown": "Show the class",
        "grid": "Offer the grid", "grid_audit_share": "Of images left unmarked in a page, read singly too, %",
        "ratings": "Ask for ratings", "vocabulary": "Reasons", "modality": "Window presets", "question": "Question",
        "lease_s": "Minutes an image stays with a reader", "real_controls": "Real controls",
        "defect_controls": "Planted defects", "repeat_share": "Repeated, %",
        "gate_audit_share": "Of what screening blocked, read as an audit, %", "practice": "Practice images",
        "turing": "Made for", "margin": "Called alike below this AUC", "seed": "Seed",
        "min_sensitivity": "Rejects fewer of the planted defects than, %",
        "max_false_rejects": "Rejects more of the real controls than, %",
        "min_repeat_agreement": "Reads fewer of the repeats alike than, %",
        "min_median_ms": "Takes less time for an image than, ms (median)",
    }  # fmt: skip

    def command() -> None: ...

    options = {option.name for option in recipe_options(command).__click_params__}
    assert options == said.keys()
    sorting, study, turing = (opened(kind) for kind in worklist_form.MEANS)
    next(widget for widget in sorting.multiselect if widget.label == "Who may read").set_value(["ada", "ben"]).run()
    shown = labels(sorting) | labels(study) | labels(turing) | {"Made for"}
    assert set(said.values()) - shown == set()
    assert (
        set(WorklistRecipe.model_fields) - {"window", "name", "kind", "include", "shares", "exclusion"} <= said.keys()
    )
