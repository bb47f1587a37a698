"""A preview shows what a build gives, a diff what changed, and stale snapshots say why."""

import json
from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot, find_snapshot
from curation.snapshots.diff import diff_snapshots
from curation.snapshots.manifest import planned
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import Preview, preview_snapshot
from curation.snapshots.stale import why_stale
from curation.tables.generation import Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, Split
from curation.tables.people import Reader
from curation.tables.reading import Reading, Worklist
from curation.tables.training import Snapshot
from tests.curation.snapshots.filled import approve, fill
from tests.curation.snapshots.mixes import (
    ACCEPT,
    REJECT,
    UNSURE,
    ReadingSpec,
    Real,
    Spec,
    Synthetic,
    readings_of,
    write_mix,
)
from tests.rows import NOW

SPECS: list[Spec] = [
    *(Real(n) for n in range(1, 6)),
    *(Real(n, (("b", 1.0),)) for n in range(6, 8)),
    Real(8, split=Split.TEST),
    Real(9, split=Split.VALIDATION),
    Synthetic(101, "a", readings=readings_of(ACCEPT, ACCEPT), neighbours=(1, 2)),
    Synthetic(102, "a", readings=readings_of(ACCEPT, ACCEPT, REJECT), neighbours=(2, 6)),
    Synthetic(103, "b", readings=readings_of(REJECT), neighbours=(3, 7)),
    Synthetic(104, "b", readings=readings_of(UNSURE)),
    Synthetic(105, "b", readings=(ReadingSpec("proxy"),), screening=None),
    Synthetic(106, "c"),
]


def add_block(session: Session, image: Image) -> None:
    """A screening that finds the image to be a copy."""
    assert image.batch_id is not None
    screening = Screening(
        batch_id=image.batch_id, parameters={}, parameters_digest="1", status=BuildStatus.READY, created_at=NOW
    )
    session.add(screening)
    session.flush()
    block = {"value": 0.0, "threshold": "", "verdict": ScreeningVerdict.BLOCK}
    session.add(ScreeningCheck(screening_id=screening.id, image_id=image.id, name="near_copy", **block))


def preview(project: Project, target: int | None = None, **recipe: object) -> Preview:
    with project.database.read() as session:
        return preview_snapshot(session, MixRecipe.model_validate(recipe), target)


def test_a_preview_counts_by_class_and_says_what_is_missing(project: Project) -> None:
    write_mix(project, SPECS)
    result = preview(project)
    rows = {
        counts.label: (counts.real, counts.synthetic, counts.validation, counts.test, counts.missing)
        for counts in result.classes
    }
    assert rows == {"a": (5, 2, 1, 1, 0), "b": (2, 1, 0, 0, 4)}
    assert [counts.missing for counts in preview(project, target=10).classes] == [3, 7]
    assert result.added_per_real == pytest.approx(3 / 7)
    assert result.generators == {"gen": 3}
    assert result.in_no_worklist == 1
    assert result.refused == []
    assert (result.readings["human"], result.readings["proxy"]) == (5, 1)
    assert result.approved_by["ada"] == {"kind": "human", "readings": 2, "accepted": 2, "excluded": False}
    assert result.approved_by["proxy"]["kind"] == "proxy"
    agreement = asdict(result.agreement)
    assert agreement.pop("mean_share") == pytest.approx((1 + 2 / 3) / 2)
    assert agreement == {"images": 3, "with_two_or_more": 2, "all_agree": 1}
    json.dumps(asdict(result))


def test_coverage_is_what_the_mix_reaches_beside_what_everything_drawn_reaches(project: Project) -> None:
    write_mix(project, SPECS)
    with project.database.write() as session:
        for image in session.scalars(select(Image).where(Image.import_id.is_not(None))):
            image.covariates = {"sex": "F" if int(image.pixel_sha256, 16) % 2 else "M", "age": 40.5}
    result = preview(project).coverage
    assert (result.synthetic, result.screened) == (3, 2)
    assert [(reach.group, reach.real, reach.by_mix, reach.by_drawn) for reach in result.classes] == [
        ("a", 5, 2, 3),
        ("b", 2, 1, 2),
    ]
    assert [(reach.group, reach.real, reach.by_mix, reach.by_drawn) for reach in result.subgroups] == [
        ("sex F", 4, 1, 3),
        ("sex M", 3, 2, 2),
    ]


@pytest.mark.slow
def test_images_that_came_in_without_covariates_have_no_subgroups(project: Project) -> None:
    """An import writes rows in bulk, which keeps "none" as JSON's null and not as SQL's."""
    write_mix(project, SPECS)
    with project.database.write() as session:
        session.execute(update(Image).where(Image.import_id.is_not(None)).values(covariates=None))
        stored = session.execute(text("SELECT DISTINCT covariates FROM images WHERE import_id IS NOT NULL")).scalars()
        assert list(stored) == ["null"]
    result = preview(project).coverage
    assert result.subgroups == []
    assert [reach.real for reach in result.classes] == [5, 2]


def test_a_preview_writes_nothing_and_gives_the_digest_of_the_build(project: Project) -> None:
    fill(project)
    before = sorted(path for path in project.root.rglob("*") if "rounds.db" not in path.name)
    result = preview(project, max_ratio=0.3)
    assert sorted(path for path in project.root.rglob("*") if "rounds.db" not in path.name) == before
    with project.database.read() as session:
        assert list(session.scalars(select(Snapshot.id))) == []
    assert build_snapshot(project, "one", MixRecipe(max_ratio=0.3), NOW, silent).digest == result.digest


def test_a_preview_of_what_cannot_be_built_says_all_that_stands_against_it(project: Project) -> None:
    fill(project, generator_saw="s9")
    with project.database.write() as session:
        images = list(session.scalars(select(Image).where(Image.batch_index < 2)))
        approve(session, images, "second", verdict=REJECT)
    refused = preview(project, weights={"classes": {"zebra": 2.0}}).refused
    assert len(refused) == 3
    assert "2 approved in 'first', rejected in 'second'" in refused[0]
    assert "weights for zebra" in refused[1]
    assert "was fitted on" in refused[2]


@pytest.mark.slow
def test_approvals_on_readers_whom_a_worklist_excludes_are_counted(project: Project) -> None:
    drawn = [Synthetic(100 + n, "a", readings=(ReadingSpec("ada"),)) for n in range(20)]
    write_mix(project, [Real(1), *drawn, Synthetic(200, "a", readings=(ReadingSpec("ben"),))])
    assert preview(project).readings["images_on_excluded_readers"] == 0
    with project.database.write() as session:
        session.execute(update(Worklist).values(recipe={"exclusion": {"min_median_ms": 1_000}}))
        session.execute(update(Reading).values(elapsed_ms=10))
        ada = session.scalars(select(Reader.id).where(Reader.name == "ada")).one()
    result = preview(project)
    assert (result.readings["images_on_excluded_readers"], result.readings["by_excluded_readers"]) == (20, 20)
    assert [result.approved_by[name]["excluded"] for name in ("ada", "ben")] == [True, False]
    with project.database.read() as session, planned(session, "one", MixRecipe()) as plan:
        manifest = plan.manifest
    assert manifest["lineage"]["readings"]["images_on_excluded_readers"] == 20
    assert manifest["approved_by"][f"reader {ada}"]["excluded"] is True
    assert '"ada"' not in json.dumps(manifest)


def test_a_difference_names_what_came_went_and_changed(project: Project) -> None:
    fill(project)
    recipes = {
        "one": MixRecipe(seed=1),
        "two": MixRecipe.model_validate({"seed": 1, "max_ratio": 0.25, "weights": {"origins": {"synthetic": 0.5}}}),
        "real": MixRecipe(synthetic="none"),
    }
    for name, recipe in recipes.items():
        build_snapshot(project, name, recipe, NOW, silent)
    with project.database.read() as session:
        first, second, real = (find_snapshot(session, name) for name in recipes)
        result = diff_snapshots(session, first, second, examples=1)
        back = diff_snapshots(session, real, first)
        same = diff_snapshots(session, first, first)
    assert result.counts == {"added": 0, "removed": 2, "relabelled": 0, "reweighted": 2, "moved": 0}
    assert (result.unchanged, result.same_content, result.readings) == (15, False, (4, 2))
    assert set(result.recipe) == {"max_ratio", "weights"}
    assert [change.kind for change in result.examples] == ["removed", "reweighted"]
    assert result.examples[0].now == ""
    assert result.examples[1].was.endswith("weight 1")
    assert back.counts["added"] == 4
    assert sum(back.by_group["added"].values()) == 4
    assert (same.same_content, same.unchanged, sum(same.counts.values()), same.recipe) == (True, 19, 0, {})


def test_a_capped_snapshot_is_not_stale_before_anything_changes(project: Project) -> None:
    fill(project)
    build_snapshot(project, "one", MixRecipe(max_ratio=0.25), NOW, silent)
    with project.database.read() as session:
        assert why_stale(session, find_snapshot(session, "one")) == []


def test_a_later_privacy_block_and_a_withdrawal_are_said(project: Project) -> None:
    fill(project)
    build_snapshot(project, "one", MixRecipe(), NOW, silent)
    with project.database.write() as session:
        copied = session.scalars(select(Image).where(Image.batch_index == 0)).one()
        add_block(session, copied)
        withdrawn = session.scalars(select(Image).where(Image.subject.has(key="s1"))).one()
        withdrawn.withdrawn_at = NOW + timedelta(days=1)
    with project.database.read() as session:
        why = why_stale(session, find_snapshot(session, "one"))
    assert why == [
        "1 of its images are blocked as near copies of training images now",
        "1 of its images were withdrawn",
    ]
