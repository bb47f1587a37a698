"""Images and verdicts go only to the holder of the assignment, committed before acknowledged."""

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from curation.audit import last_anchor
from curation.project import Project
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import Image
from curation.tables.operations import EventHead
from curation.tables.reading import Assignment, Reading, WorklistItem
from curation.worklists.create import create_worklist
from tests.builders import add_candidates, oval
from tests.review_ui.conftest import IMAGES, Browser, Clock
from tests.rows import NOW


def verdict(key: str, **fields: Any) -> dict[str, Any]:
    """An outbox entry that accepts the image of `key`."""
    body = {"assignment_key": key, "verdict": "accept", "read_at": NOW.isoformat(), **fields}
    return {"kind": "reading", "op_id": uuid.uuid4().hex, "body": body}


def send(browser: Browser, worklist_id: int, *operations: dict[str, Any]) -> dict[str, Any]:
    """Post outbox entries and return the answer."""
    body = {"worklist_id": worklist_id, "operations": list(operations)}
    answer = browser.client.post("/rounds/api/readings", json=body, headers=browser.headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def count_readings(project: Project) -> int:
    with project.database.read() as session:
        return session.scalar(select(func.count()).select_from(Reading)) or 0


def test_pixels_are_raw_little_endian_and_nothing_else(ada: Browser, project: Project, worklist_id: int) -> None:
    key = ada.claim(worklist_id, 1)[0]
    answer = ada.client.get(f"/rounds/pixels/{key}", headers={"Accept-Encoding": "gzip, br, zstd"})
    with project.database.read() as session:
        digest = session.scalars(
            select(Image.file_sha256)
            .join(WorklistItem)
            .join(Assignment, Assignment.item_id == WorklistItem.id)
            .where(Assignment.key == key)
        ).one()
    assert answer.content == project.store.pixels(digest).tobytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["content-length"]) == 64 * 64
    assert not {"etag", "last-modified", "content-encoding", "vary"} & set(answer.headers)


def test_sixteen_bits_arrive_whole(ada: Browser, project: Project) -> None:
    picture = oval(1000, bits=16)
    with project.database.write() as session:
        batch = add_candidates(project, session, [picture], name="deep")
        recipe = WorklistRecipe(name="deep", batches=(batch.id,))
        worklist_id = create_worklist(session, project.chain, NOW, recipe).id
    key = ada.claim(worklist_id, 1)[0]
    content = ada.client.get(f"/rounds/pixels/{key}").content
    assert np.array_equal(np.frombuffer(content, "<u2").reshape(picture.shape), picture)


def test_a_claim_says_nothing_about_what_an_image_is(ada: Browser, worklist_id: int) -> None:
    path = f"/rounds/api/worklists/{worklist_id}/claim"
    items = ada.client.post(path, json={"count": 3}, headers=ada.headers).json()["items"]
    assert [set(item) for item in items] == [{"key", "shape", "bits", "label", "spacing", "rescale"}] * 3


def test_another_readers_image_and_assignment_are_out_of_reach(
    ada: Browser, ben: Browser, project: Project, worklist_id: int
) -> None:
    key = ada.claim(worklist_id, 1)[0]
    assert ben.client.get(f"/rounds/pixels/{key}").status_code == 404
    result = send(ben, worklist_id, verdict(key))["results"][0]
    assert result["state"] == "refused"
    assert count_readings(project) == 0


@pytest.mark.parametrize(
    "key", ["0" * 32, "..%2f..%2frounds.db", "../../rounds.toml", "%2e%2e%2fsecrets%2faudit.key", "'"]
)
def test_path_tricks_find_nothing(ada: Browser, key: str) -> None:
    assert ada.client.get(f"/rounds/pixels/{key}").status_code == 404
    assert ada.client.get(f"/rounds/static/{key}").status_code == 404


def test_a_verdict_is_in_the_database_when_it_is_acknowledged(ada: Browser, project: Project, worklist_id: int) -> None:
    keys = ada.claim(worklist_id, 3)
    answer = send(ada, worklist_id, *[verdict(key) for key in keys])
    assert [result["state"] for result in answer["results"]] == ["saved"] * 3
    assert answer["progress"] == {"done": 3, "left": IMAGES - 3, "total": IMAGES, "about": False}
    assert count_readings(project) == 3


def test_sending_again_adds_nothing(ada: Browser, project: Project, worklist_id: int) -> None:
    operation = verdict(ada.claim(worklist_id, 1)[0])
    for _ in range(3):
        assert send(ada, worklist_id, operation)["results"][0]["state"] == "saved"
    assert count_readings(project) == 1


def test_an_undo_gives_the_image_back(ada: Browser, worklist_id: int) -> None:
    key = ada.claim(worklist_id, 1)[0]
    reading = verdict(key)
    undo = {"kind": "undo", "op_id": uuid.uuid4().hex, "body": {"voids_op_id": reading["op_id"]}}
    answer = send(ada, worklist_id, reading, undo, verdict(key, verdict="reject", reasons=["anatomy"]))
    assert [result["state"] for result in answer["results"]] == ["saved"] * 3
    assert answer["progress"]["done"] == 1


def test_an_undo_of_somebody_elses_reading_is_refused(ada: Browser, ben: Browser, worklist_id: int) -> None:
    reading = verdict(ada.claim(worklist_id, 1)[0])
    send(ada, worklist_id, reading)
    undo = {"kind": "undo", "op_id": uuid.uuid4().hex, "body": {"voids_op_id": reading["op_id"]}}
    assert send(ben, worklist_id, undo)["results"][0]["state"] == "refused"


def test_one_reading_that_does_not_fit_does_not_hold_up_the_others(ada: Browser, worklist_id: int) -> None:
    first, second, third = ada.claim(worklist_id, 3)
    operations = [verdict(first), verdict(second, verdict="maybe"), verdict(third, reasons=["no such reason"])]
    states = [result["state"] for result in send(ada, worklist_id, *operations)["results"]]
    assert states == ["saved", "refused", "refused"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"worklist_id": 1, "operations": [], "extra": 1}',
        b'{"worklist_id": 1, "operations": [{"kind": "drop", "op_id": "0", "body": {}}]}',
        b'{"worklist_id": "one", "operations": []}',
        b'{"worklist_id": 1, "operations": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_a_malformed_body_is_named_and_changes_nothing(ada: Browser, project: Project, content: bytes) -> None:
    answer = ada.client.post("/rounds/api/readings", content=content, headers=ada.headers)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error"}
    assert count_readings(project) == 0


@pytest.mark.parametrize("count", [0, -1, 10_000, "many"])
def test_a_claim_has_bounds(ada: Browser, worklist_id: int, count: object) -> None:
    path = f"/rounds/api/worklists/{worklist_id}/claim"
    assert ada.client.post(path, json={"count": count}, headers=ada.headers).status_code == 422


def test_an_unknown_worklist_is_not_found(ada: Browser) -> None:
    path = "/rounds/api/worklists/999/claim"
    assert ada.client.post(path, json={"count": 1}, headers=ada.headers).status_code == 404
    body = {"worklist_id": 999, "operations": []}
    assert ada.client.post("/rounds/api/readings", json=body, headers=ada.headers).status_code == 404


def test_reading_for_a_while_anchors_the_chain_outside_the_database(
    ada: Browser, project: Project, worklist_id: int, clock: Clock
) -> None:
    keys = ada.claim(worklist_id, 2)
    send(ada, worklist_id, verdict(keys[0]))
    first = last_anchor(project.anchors_path)
    assert first > 0
    clock.move(timedelta(minutes=6))
    send(ada, worklist_id, verdict(keys[1]))
    with project.database.read() as session:
        count = session.scalars(select(EventHead.count)).one()
    assert last_anchor(project.anchors_path) == count > first


@pytest.mark.slow
def test_a_readers_pages_come_back_singly_and_only_to_them(ada: Browser, ben: Browser, project: Project) -> None:
    with project.database.write() as session:
        recipe = WorklistRecipe(name="pages", again=True, grid_audit_share=1.0)
        worklist_id = create_worklist(session, project.chain, NOW, recipe).id
    path, page = f"/rounds/api/worklists/{worklist_id}/claim", uuid.uuid4().hex

    def claim(browser: Browser, mode: str) -> dict[str, Any]:
        answer: dict[str, Any] = browser.client.post(
            path, json={"count": IMAGES, "mode": mode}, headers=browser.headers
        ).json()
        return answer

    claimed = claim(ada, "grid")
    assert (len(claimed["items"]), claimed["then_single"]) == (IMAGES, False)
    send(ada, worklist_id, *(verdict(item["key"], mode="grid", page_id=page) for item in claimed["items"]))
    after = claim(ada, "grid")
    assert (after["items"], after["then_single"]) == ([], True)
    assert claim(ben, "grid")["then_single"] is False
    again = claim(ada, "single")["items"]
    assert len(again) == IMAGES
    assert not {item["key"] for item in again} & {item["key"] for item in claimed["items"]}
    assert ben.client.get(f"/rounds/pixels/{again[0]['key']}").status_code == 404


def test_a_reading_that_counts_is_acknowledged_and_no_more(ada: Browser, project: Project, worklist_id: int) -> None:
    (result,) = send(ada, worklist_id, verdict(ada.claim(worklist_id, 1)[0]))["results"]
    assert set(result) == {"op_id", "state"}


def test_only_an_adjudicator_claims_what_readers_disagree_on(ada: Browser, worklist_id: int) -> None:
    path = f"/rounds/api/worklists/{worklist_id}/claim"
    answer = ada.client.post(path, json={"count": 1, "mode": "adjudicate"}, headers=ada.headers)
    assert answer.status_code == 403
