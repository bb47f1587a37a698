"""HTML of the overview, with every value from the database escaped."""

from datetime import datetime
from html import escape

from curation.readers.sign_ins import is_slowed
from curation.tables.operations import Job, JobStatus
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Worklist, WorklistKind
from curation.worklists.summaries import WorklistSummary
from review_ui.figures.acceptance import DEFINITION, TURING_DEFINITION
from review_ui.figures.batches import BatchFigures
from review_ui.figures.worklists import Acceptance, WorklistFigures
from review_ui.markup.plots import readable, two_columns
from review_ui.security.sessions import SignedInReader

KIND_WORD = {ReaderKind.HUMAN: "people", ReaderKind.PROXY: "proxy (a model)"}
STATUS_WORD = {status: status.value for status in JobStatus} | {JobStatus.QUEUED: "waiting"}

BATCH_WORD = {"queued": "waiting for a worker", "running": "being drawn"}


def worklist_section(figures: WorklistFigures, whose: str) -> str:
    """One worklist: progress, acceptance by class, reasons, readers."""
    notice = f'<p class="r-notice">{escape(figures.notice)}</p>' if figures.notice else ""
    accepted = _acceptance(figures) if figures.acceptance or not figures.done else ""
    return (
        f'<section class="r-section"><h2>{escape(figures.name)}</h2>'
        f"<p class='r-soft'>{escape(whose)}: {figures.done} of {figures.slots} read</p>"
        f"{_bar(figures.done, figures.slots)}"
        f'<div class="r-columns">{accepted}{_reasons(figures)}{_readers(figures)}</div>'
        f"{notice}</section>"
    )


def _bar(done: int, total: int) -> str:
    share = 100 * done / total if total else 0
    return f'<div class="r-bar"><i style="width:{share:.1f}%"></i></div>'


def _acceptance(figures: WorklistFigures) -> str:
    is_turing = figures.kind is WorklistKind.TURING
    title = "Synthetic, taken for real, by class" if is_turing else "Accepted, by class"
    if not figures.acceptance:
        return f'<div class="r-wide"><h3>{title}</h3><p class="r-soft">Nothing read yet.</p></div>'
    lines = "".join(map(_acceptance_row, figures.acceptance))
    return (
        f'<div class="r-wide"><h3>{title}</h3><table class="r-table">{lines}</table>'
        f'<p class="r-soft r-small">{TURING_DEFINITION if is_turing else DEFINITION}</p></div>'
    )


def _acceptance_row(row: Acceptance) -> str:
    share, low, high = row.share.percent()
    span = f"left:{low:.1f}%;width:{high - low:.1f}%"
    by = f"{KIND_WORD[row.kind]}{', in whole pages' if row.is_grid else ''}"
    return (
        f"<tr><th>{escape(readable(row.label))}<small>{by}</small></th>"
        f'<td class="r-plot"><div class="r-track"><i style="width:{share:.1f}%"></i><u style="{span}"></u></div></td>'
        f'<td class="r-number">{share:.0f} %<small>{low:.0f} to {high:.0f}, n\u00a0{row.share.n}</small>'
        "</td></tr>"
    )


def _reasons(figures: WorklistFigures) -> str:
    scope = "" if figures.is_own else _scope("Of first readings of candidates, image by image.")
    body = two_columns(figures.reasons) if figures.reasons else '<p class="r-soft">No reason given yet.</p>'
    return f"<div><h3>Reasons for rejecting</h3>{body}{scope}</div>"


def _readers(figures: WorklistFigures) -> str:
    rows = "".join(
        f"<tr><th>{escape(reader.name)}<small>{'person' if reader.kind is ReaderKind.HUMAN else 'proxy, a model'}"
        f'</small></th><td class="r-number">{reader.readings}</td></tr>'
        for reader in figures.readers
    )
    body = f'<table class="r-table">{rows}</table>' if rows else '<p class="r-soft">Nobody yet.</p>'
    scope = "" if figures.is_own else _scope("All that stand: candidates, controls, repeats, audits, adjudications.")
    return f"<div><h3>Readings by reader</h3>{body}{scope}</div>"


def _scope(text: str) -> str:
    return f'<p class="r-soft r-small">{text}</p>'


def batch_heading(batch: BatchFigures) -> str:
    """The heading of a batch: its generator, what was asked for, and how far it is."""
    counts = ", ".join(f"{count} {escape(readable(label)).lower()}" for label, count in batch.counts.items())
    state = "" if batch.state == "ready" else f"{BATCH_WORD.get(batch.state, batch.state)}, "
    return (
        f'<section class="r-section"><h2>Batch {batch.batch_id}, {escape(batch.generator)}</h2>'
        f'<p class="r-soft">{state}{batch.drawn} of {batch.size} drawn: {counts}</p>'
        f"{_bar(batch.drawn, batch.size)}</section>"
    )


def job_table(jobs: list[Job]) -> str:
    """The newest jobs, each with its state in words."""
    rows = "".join(
        f"<tr><th>{escape(job.kind)}<small>job {job.id}</small></th><td>{STATUS_WORD[job.status]}</td>"
        f'<td class="r-number">{f"{job.done} of {job.total}" if job.total else ""}</td>'
        f'<td class="r-soft">{escape(job.note or "")}</td></tr>'
        for job in jobs
    )
    return f'<section class="r-section"><h2>Jobs</h2><table class="r-table">{rows}</table></section>'


def job_line(job: Job, now: datetime) -> str:
    """One job: its kind, progress, worker, lease, attempt and error."""
    facts = [f"{job.done} of {job.total}"] if job.total else []
    if job.status is JobStatus.RUNNING and job.lease_until is not None:
        left = (job.lease_until - now).total_seconds()
        facts.append(f"{job.worker}, lease {left:.0f} s" if left > 0 else f"{job.worker}, lease over: taken up again")
    if job.attempts > 1:
        facts.append(f"attempt {job.attempts}")
    error = f'<small class="r-error">{escape(job.error.strip().splitlines()[-1])}</small>' if job.error else ""
    return (
        f'<div class="r-line"><b>{escape(readable(job.kind))}<small>job {job.id}</small></b>'
        f'<span class="r-state" data-state="{job.status.value}">{STATUS_WORD[job.status]}</span>'
        f"<span>{escape(', '.join(facts) or job.note or '')}{error}</span></div>"
    )


def worklist_line(row: Worklist, summary: WorklistSummary) -> str:
    """One worklist: its state, its rule, its progress."""
    state = "closed" if row.closed_at else "paused" if row.paused_at else "open"
    rule = f"{row.rule['kind']}, {row.readers_per_image} per image" if row.kind is not WorklistKind.PRACTICE else ""
    outcomes = f"{summary.approved} approved, {summary.rejected} rejected" if row.kind is WorklistKind.VERDICT else ""
    proxies = f"{summary.read_by_proxies} times by proxies (models)" if summary.read_by_proxies else ""
    read = f"{row.size} images, read {summary.read_by_people} times by people"
    facts = ", ".join(fact for fact in (read, proxies, outcomes) if fact)
    return (
        f'<div class="r-line"><b>{escape(row.name)}<small>{escape(row.kind.value)}{": " + rule if rule else ""}</small>'
        f'</b><span class="r-state" data-state="{state}">{state}</span><span>{escape(facts)}</span></div>'
    )


def account_line(row: Reader, now: datetime) -> str:
    """One account: its name, its role, and what keeps it from signing in."""
    held = ["proxy, a model"] if row.kind is ReaderKind.PROXY else []
    held += [f"{row.failed_sign_ins} wrong passwords, further ones must wait"] if is_slowed(row, now) else []
    held += ["one-time password not changed yet"] if row.must_change_password else []
    held += ["signs in by the provider"] if row.oidc_subject else []
    state = "active" if row.active else "deactivated"
    return (
        f'<div class="r-line"><b>{escape(row.name)}<small>{escape(row.role.value)}</small></b>'
        f'<span class="r-state" data-state="{state}">{state}</span><span>{", ".join(held)}</span></div>'
    )


def account_link(reader: SignedInReader) -> str:
    """The way to the account and the sign-out, on every page."""
    return (
        f'<a class="r-account" href="/rounds/account" target="_self"><b>{escape(reader.name)}</b>'
        "<small>Account, sign out</small></a>"
    )


def empty_overview() -> str:
    """The overview before the first worklist."""
    return (
        '<section class="r-section"><h2>No worklist yet</h2>'
        '<p class="r-soft">Make one with <code>rounds worklist create NAME</code>; its progress appears here.</p>'
        "</section>"
    )
