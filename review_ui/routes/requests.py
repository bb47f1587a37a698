"""The bodies that routes accept: small frozen models that refuse unknown fields."""

import re
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from curation.errors import BadInput
from curation.requests import FrozenRequest

MAX_CLAIM = 200
MAX_OPERATIONS = 50
_NULL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # a null character as JSON writes it, not the six letters

Body = TypeVar("Body", bound=BaseModel)


class Claim(FrozenRequest):
    """How many images the viewer wants to lease, and how they will be read."""

    count: int = Field(ge=1, le=MAX_CLAIM)
    mode: Literal["single", "grid", "adjudicate"] = "single"


class PasswordChange(FrozenRequest):
    """The current password and the one to replace it."""

    current: str
    new: str


class Undo(FrozenRequest):
    """A request to void an earlier reading."""

    op_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    voids_op_id: str = Field(pattern=r"^[0-9a-f]{32}$")


class Operation(FrozenRequest):
    """One entry of the viewer's outbox; `body` is a ReadingRequest or an Undo and is checked on its own."""

    kind: str = Field(pattern=r"^(reading|undo)$")
    op_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    body: dict[str, Any]


class Operations(FrozenRequest):
    """Entries of the outbox, in the order in which keys were pressed."""

    worklist_id: int = Field(ge=1, lt=2**63)
    mode: Literal["single", "grid", "adjudicate"] = "single"
    operations: list[Operation] = Field(max_length=MAX_OPERATIONS)


def parse_json(model: type[Body], content: bytes) -> Body:
    """Validate a JSON body; raises BadInput when it is not JSON, ValidationError when it does not fit."""
    if not content:
        raise BadInput("expected a JSON body, got nothing.")
    if _NULL.search(content):
        raise BadInput("expected text without null characters, which PostgreSQL does not keep.")
    return model.model_validate_json(content)
