"""Snapshots of the first release keep their recipes, digests and folders."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import content_digest
from curation.snapshots.mix import MixRecipe
from curation.snapshots.stale import list_snapshots
from curation.tables.training import Snapshot
from curation.verification.snapshot_folders import verify_folder
from tests.curation.snapshots.filled import fill
from tests.rows import NOW

# Recipe, digest of the snapshot, digest of the recipe, as release 0.1 gave them for the project of `fill`.
RELEASED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"synthetic": "approved"},
        "a22b54cc34c856aab10b8d98f342701ca5c3a28c7335b680abd938f9fc4b6ec8",
        "e890e0a5504cc2698187a6edf3b4c784b6c21fc4a354641b07177521370736a0",
    ),
    (
        {"synthetic": "raw"},
        "ddc1006c94b05fac28d1accf45be8b83e28c2ef7d32b8b7b31f0baf395aa606c",
        "655a59dd18b030b1d8de053fc1ecfafe8808c6626ea12ff38416efef0f6050b9",
    ),
    (
        {"synthetic": "random", "seed": 3},
        "842eadbc4c5c554a9a631e2f07818af0e47c9da029280a836076a276cd2ce377",
        "d42e4f406ed098f92669a3f8cd8a2a142b0fa180aed03cf7cec45b9132a77032",
    ),
    (
        {"synthetic": "none"},
        "255cc41d6b0592a79b318352538e52232f90579409695eac630679e394816d47",
        "ad710b675d282847906c78573067924fac1e598beeef714a2b6f350140d7178f",
    ),
    (
        {"synthetic": "none", "extra_real": "duplicated"},
        "a13b588d4a5b407aed90d2e30af9652a7b8d558590294f7a9bec5f90dd49563e",
        "206f407a7bf8af6a171ac278ef7d9d5af2028f7d4a12d071014c69c6bd4fc0f2",
    ),
    (
        {"synthetic": "none", "extra_real": "reserve", "seed": 2},
        "d82cab050ec0c1647029a4e3635b9c7e96a303b5719c8d0919909fb271728544",
        "663fba9f814c8b29d5cef1ed8c330fe6cf8e5604975b41990f85dd140d647281",
    ),
    (
        {"synthetic": "raw", "max_ratio": 0.45},
        "c70e0c4a51a1e974bc95c30975863c83677dbfd56e129a5978c5beac595eb18b",
        "e8fdc915d1f2801b9c497c8160da1bd50af02d3b0a8f972fa3ae8e583880c337",
    ),
    (
        {"synthetic": "raw", "real_per_class": 2, "seed": 5},
        "fec2af38e8f85a0b5d616f4a61c242780ec4a7f713ea77ee61f1e358c49578f8",
        "395fd33471d6eec163cf1bdd60ea925b96385f2d071e33ebfa970899366987d2",
    ),
    (
        {
            "synthetic": "approved",
            "real_per_class": 1,
            "extra_real": "duplicated",
            "max_ratio": 2.0,
            "seed": 7,
            "worklists": ["first"],
        },
        "94ab21d7c3c091efacad76916ceda945b69aa8ce05993e7c2528b437a2823d84",
        "b1700bf5c3b589c5242051874e8a5a4019350ba926d0a9ba21f01603819d278a",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "content", "of_recipe"), RELEASED, ids=[json.dumps(row[0]) for row in RELEASED])
def test_a_released_recipe_gives_the_snapshot_it_gave(
    project: Project, recipe: dict[str, Any], content: str, of_recipe: str
) -> None:
    fill(project)
    made = MixRecipe.model_validate(recipe)
    folder = build_snapshot(project, "again", made, NOW, silent)
    assert (folder.digest, made.digest()) == (content, of_recipe)
    rows = [row for split in ("validation", "train", "test") for row in folder.rows(split)]
    assert content_digest(rows, folder.classes) == content
    assert verify_folder(folder, silent) == []


def test_a_recipe_that_asks_for_more_has_another_digest() -> None:
    assert MixRecipe(classes=("a",)).digest() != MixRecipe().digest()
    assert MixRecipe.model_validate({"screening": {}, "weights": {}}).digest() == MixRecipe().digest()


@pytest.mark.slow
def test_a_snapshot_without_a_digest_of_outcomes_is_held_against_its_readings(project: Project) -> None:
    fill(project)
    build_snapshot(project, "old", MixRecipe(worklists=("first",)), NOW, silent)
    with project.database.write() as session:
        session.execute(update(Snapshot).values(outcomes_digest=None))
    with project.database.read() as session:
        assert [summary.stale for summary in list_snapshots(session)] == [False]
    with project.database.write() as session:
        session.execute(update(Snapshot).values(reading_ids=[1, 2, 3, 999]))
    with project.database.read() as session:
        assert [summary.stale for summary in list_snapshots(session)] == [True]
