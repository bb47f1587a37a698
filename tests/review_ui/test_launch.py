"""Which port the server takes, and how it ends."""

import pytest

from curation.errors import Conflict
from curation.project import Project
from review_ui.launch import DEFAULT_PORT, bind
from tests.review_ui.serving import ReviewServer


def test_without_a_port_the_first_free_one_from_the_default_on_is_taken() -> None:
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        assert DEFAULT_PORT <= first.getsockname()[1] < second.getsockname()[1]


def test_a_port_in_use_is_named() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=str(port)):
            bind("127.0.0.1", port)


def test_ctrl_c_ends_the_server_in_good_order(project: Project) -> None:
    server = ReviewServer(project.root)
    server.start()
    assert server.stop() == 0
    assert "Traceback" not in (project.root / "server.log").read_text()
