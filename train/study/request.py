"""What a study is asked for as data: its plan, and the mix that every arm starts from. Never imports torch."""

from pydantic import Field

from curation.requests import FrozenRequest
from curation.snapshots.mix import MixRecipe
from train.study.plan import StudyPlan


class StudyRequest(FrozenRequest):
    """One study of a project."""

    plan: StudyPlan
    base: MixRecipe = Field(default=MixRecipe(), description="the seed, the worklists, how many real images to keep")
    allow_affected: bool = Field(default=False, description="use what descends from a withdrawn subject")
