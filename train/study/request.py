"""The request of a study: its plan, and the mix that every arm starts from. Torch-free."""

from datetime import datetime

from pydantic import Field

from curation.jobs import enqueue_request
from curation.project import Project
from curation.requests import FrozenRequest
from curation.snapshots.build import find_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.operations import Job
from curation.tables.training import arm_snapshot_name
from train.adaptation.config import resolve_backbone
from train.study.arms import base_of, check_arm_names
from train.study.plan import StudyPlan
from train.study.records import find_open_study, find_study


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


def resume_study(project: Project, name: str, *, allow_affected: bool = False) -> StudyRequest:
    """Make the request that continues the study of this name from what is stored of it.

    Its mix is that of the snapshot it compares the others with. Raises NotFound without the study or that snapshot.
    """
    with project.database.read() as session:
        plan = StudyPlan.checked(**find_study(session, name).plan)
        reference = find_snapshot(session, arm_snapshot_name(name, plan.reference))
        base = base_of(plan.reference, MixRecipe.checked(**reference.recipe))
    return StudyRequest(plan=plan, base=base, allow_affected=allow_affected)
