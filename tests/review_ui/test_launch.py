"""Which port the server takes, and how it ends."""

import asyncio
import socket
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from curation.audit import last_anchor
from curation.errors import BadInput, Conflict
from curation.project import Project
from curation.readers.accounts import add_reader
from curation.tables.operations import EventHead
from review_ui.launch import DEFAULT_PORT, bind, serve
from tests.review_ui.serving import ReviewServer
from tests.rows import NOW

PASSWORD = "a long enough password"


def test_without_a_port_the_first_free_one_from_the_default_on_is_taken() -> None:
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        assert DEFAULT_PORT <= first.getsockname()[1] < second.getsockname()[1]


def test_a_port_in_use_is_named() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=str(port)):
            bind("127.0.0.1", port)


def test_a_small_answer_does_not_wait_for_an_acknowledgement() -> None:
    async def no_delay_of_an_accepted_connection() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with bind("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(note, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                writer.close()
                return await accepted

    assert asyncio.run(no_delay_of_an_accepted_connection()) != 0


@pytest.mark.slow
@pytest.mark.parametrize(("options", "secure"), [((), False), (("--forwarded-allow-ips", "127.0.0.1"), True)])
def test_only_a_proxy_that_was_named_is_believed_about_https_and_ctrl_c_ends_the_server_in_good_order(
    project: Project, options: tuple[str, ...], secure: bool
) -> None:
    with project.database.write() as session:
        add_reader(session, project.chain, NOW, "dora", PASSWORD)
    server = ReviewServer(project.root, options=options, anew=not secure)
    server.start()
    try:
        fields = {"name": "dora", "password": PASSWORD}
        answers = {
            scheme: httpx.post(
                f"{server.url}/rounds/sign-in",
                data=fields,
                headers={"X-Forwarded-Proto": "https", "Origin": f"{scheme}://127.0.0.1:{server.port}"},
                trust_env=False,
            )
            for scheme in ("http", "https")
        }
    finally:
        exit_code = server.stop()
    foreign, answer = answers["http" if secure else "https"], answers["https" if secure else "http"]
    assert (foreign.status_code, "--forwarded-allow-ips" in foreign.json()["error"]) == (403, True)
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("__Host-rounds_session=" if secure else "rounds_session=")
    assert ("Secure" in answer.headers["set-cookie"].split("; ")) == secure
    assert ("strict-transport-security" in answer.headers) == secure
    assert exit_code == 0
    with project.database.read() as session:
        assert last_anchor(project.anchors_path) == session.scalars(select(EventHead.count)).one() > 1
    assert "Traceback" not in (project.root / "server.log").read_text()


@pytest.mark.parametrize("kind", ["half a file", "a directory"])
def test_a_certificate_that_cannot_be_used_is_one_line_and_the_port_is_free_again(
    project: Project, tmp_path: Path, kind: str
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for path in (certificate, key):
        path.mkdir() if kind == "a directory" else path.write_text("-----BEGIN CERTIFICATE-----\n")
    ready: list[str] = []
    port = bind("127.0.0.1", 0)
    number = port.getsockname()[1]
    port.close()
    with pytest.raises(BadInput, match=r"certificate\.pem and .*key\.pem: .*\. Name others") as refused:
        serve(project, port=number, certificate=(str(certificate), str(key)), on_ready=ready.append)
    assert "\n" not in str(refused.value)
    assert ready == []
    bind("127.0.0.1", number).close()
