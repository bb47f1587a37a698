"""The page of generation: request candidates, watch them being generated, see and cancel jobs."""

import secrets
from datetime import datetime
from typing import Any, get_args

import streamlit as st
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.jobs import cancel
from curation.tables.operations import Job, JobStatus
from generate.batch_request import request_batch
from generate.registry import list_generators
from generate.request import GenerationRequest, Sampler
from review_ui.asgi import utc_now
from review_ui.context import current_project
from review_ui.figures.jobs import is_queue_waiting, newest_jobs
from review_ui.markup.overview import job_line
from review_ui.markup.plots import readable, section
from review_ui.security.permissions import Capability
from review_ui.security.sessions import SignedInReader
from review_ui.views.overview import show_batches
from review_ui.views.parts import reader_who_can, run_action

REFRESH_S = 2
JOBS = 12
PATIENCE_S = 10.0
SEEDS = 2**31  # a request of a seed that was drawn before is the batch that is there
SEED, TOLD = "proposed_seed", "batch_told"  # in the session of the page
MOST_PER_CLASS = 10_000


def generate_page() -> None:
    """Show the form, then jobs and batches."""
    reader_who_can(Capability.MANAGE)
    with current_project().database.read() as session:
        generators = {
            generator.name: dict(generator.card)
            for generator in list_generators(session)
            if generator.card.get("classes")
        }
    if generators:
        _form(generators)
    else:
        words = "Add one on the machine that runs this project: <code>rounds generator add shipped</code>."
        st.html(section("No generator yet", f"<p class='r-soft'>{words}</p>"))
    _jobs()
    _batches()


def _form(generators: dict[str, dict[str, Any]]) -> None:
    st.html(section("Draw candidates", ""))
    told = st.session_state.pop(TOLD, None)
    if told is not None:
        st.success(told)
    proposed = st.session_state.setdefault(SEED, secrets.randbelow(SEEDS))
    with st.container(key="page-form"):
        name = st.selectbox("Generator", list(generators))
        with st.form("request", border=False):
            classes: list[str] = generators[name].get("classes", [])
            columns = st.columns(max(3, len(classes)))
            counts = {
                label: column.number_input(readable(label), 0, MOST_PER_CLASS, 40, step=1)
                for label, column in zip(classes, columns, strict=False)
            }
            seed, steps, guidance, sampler = st.columns(4)
            values = {
                "seed": int(seed.number_input("Seed", 0, 2**53 - 1, proposed, step=1)),
                "num_inference_steps": int(steps.number_input("Sampler steps", 1, 1000, 12, step=1)),
                "guidance_scale": float(guidance.number_input("Guidance", 0.0, 20.0, 2.0, step=0.5)),
                "sampler": sampler.selectbox("Sampler", get_args(Sampler)),
            }
            if st.form_submit_button("Draw", type="primary"):
                wanted = {label: int(count) for label, count in counts.items() if count}
                _request(name, wanted, values)


def _request(name: str, counts: dict[str, int], values: dict[str, Any]) -> None:
    def queue(session: Session, reader: SignedInReader) -> tuple[int, int]:
        if not counts:
            raise BadInput("expected at least one image of one class.")
        request = GenerationRequest.checked(generator=name, counts=counts, **values)
        batch, job = request_batch(session, current_project().chain, utc_now(), request)
        return batch.id, job.id

    made = run_action(Capability.MANAGE, queue)
    if made is not None:
        st.session_state[TOLD] = f"Batch {made[0]} is queued as job {made[1]}."
        st.session_state[SEED] = secrets.randbelow(SEEDS)
        st.rerun()


@st.fragment(run_every=REFRESH_S)
def _jobs() -> None:
    reader_who_can(Capability.MANAGE, active=False)
    now = utc_now()
    with current_project().database.read() as session:
        jobs = newest_jobs(session, JOBS)
    st.html(section("Jobs", "" if jobs else "<p class='r-soft'>Nothing has been asked for yet.</p>"))
    if is_queue_waiting(jobs, now, PATIENCE_S):
        st.html('<p class="r-section r-warning">No worker is running. Start one: <code>rounds worker</code></p>')
    with st.container(key="jobs", gap=None):
        for job in jobs:
            _job(job, now)


def _job(job: Job, now: datetime) -> None:
    line, button = st.columns([8, 2], vertical_alignment="center")
    line.html(job_line(job, now))
    is_open = job.status in (JobStatus.QUEUED, JobStatus.RUNNING)
    if is_open and button.button("Cancel", key=f"cancel-{job.id}", width="stretch", help=f"Cancel job {job.id}"):
        _cancel(job.id)


def _cancel(job_id: int) -> None:
    def stop(session: Session, reader: SignedInReader) -> bool:
        now = utc_now()
        cancel(session, now, job_id)
        current_project().chain.record(session, "job.cancelled", {"job": job_id, "by": reader.reader_id}, now)
        return True

    if run_action(Capability.MANAGE, stop):
        st.rerun(scope="fragment")


@st.fragment(run_every=REFRESH_S)
def _batches() -> None:
    reader_who_can(Capability.MANAGE, active=False)
    show_batches()
