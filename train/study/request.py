"""The request of a study: its plan, and the mix that every arm starts from. Torch-free."""

from datetime import datetime

from pydantic import Field

from curation.jobs import enqueue_request
from curation.project import Project
from curation.requests import FrozenRequest
from curation.snapshots.mix import MixRecipe
from curation.tables.operations import Job
from train.adaptation.config import resolve_backbone
from train.study.arms import check_arm_names
from train.study.plan import StudyPlan
from train.study.records import find_open_study


class StudyRequest(FrozenRequest):
    """One study of a project."""

    plan: StudyPlan
    base: MixRecipe = Field(default=MixRecipe(), description="the seed, the worklists, how many real images to keep")
    allow_affected: bool = Field(default=False, description="use what descends from a withdrawn subject")


def queue_study(project: Project, request: StudyRequest, now: datetime) -> Job:
    """Queue a study for a worker; raises BadInput for an unknown arm or name, Conflict for another plan's name."""
    adaptation = resolve_backbone(request.plan.adaptation, project.root)
    request = request.model_copy(update={"plan": request.plan.model_copy(update={"adaptation": adaptation})})
    check_arm_names(request.plan.name, request.plan.arms)
    with project.database.write() as session:
        find_open_study(session, request.plan)
        return enqueue_request(session, now, "study", request.model_dump(mode="json"))
