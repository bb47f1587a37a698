"""Recipes are kept as JSON with their worklists, and read the same whatever version stored them."""

from typing import Any

import pytest

from curation.digests import digest_of
from curation.reading.order import order_of
from curation.reading.recipe import ExclusionRule, WorklistRecipe, recipe_of
from curation.tables.reading import Worklist


def read_back(stored: dict[str, Any]) -> WorklistRecipe:
    return recipe_of(Worklist(name="study", recipe=stored))


def test_a_recipe_is_read_back_as_it_was_stored() -> None:
    recipe = WorklistRecipe(
        name="study",
        order="priority",
        readers=("ada", "bob"),
        window=(40, 400),
        exclusion=ExclusionRule(min_sensitivity=0.7),
        lease_s=900,
        seed=5,
    )
    assert read_back(recipe.model_dump(mode="json")) == recipe


def test_what_is_stored_of_a_recipe_stays_the_same() -> None:
    assert digest_of(WorklistRecipe(name="study", seed=3).model_dump(mode="json")) == (
        "2de882fdbb56446ea6718b1d11ee1e80692e7542202e3ddfa67b93dfd91831bf"
    )


def test_a_recipe_stored_before_there_were_orders_grids_and_audits_has_none() -> None:
    recipe = read_back({"name": "study", "seed": 3})
    assert (recipe.order, recipe.grid, recipe.grid_audit_share) == ("batch", False, 0.0)
    assert order_of(1, 40, recipe, 1).places(0, 3) == [0, 1, 2]


def test_a_recipe_stored_before_the_other_keys_has_what_a_new_one_has() -> None:
    recipe = read_back({})
    assert (recipe.seed, recipe.lease_s, recipe.shares) == (0, 600, "pooled")
    assert (recipe.repeat_share, recipe.real_controls, recipe.ratings) == (0.0, 0, False)
    assert (recipe.modality, recipe.window, recipe.margin) == ("general", None, None)
    assert recipe.exclusion == ExclusionRule()


@pytest.mark.parametrize("stored", [{"exclusion": None}, {"retired": "option"}])
def test_a_key_without_a_value_or_without_a_meaning_changes_nothing(stored: dict[str, Any]) -> None:
    assert read_back(stored) == read_back({})
