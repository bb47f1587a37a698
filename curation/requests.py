"""A frozen request: what is asked for, under which name, validated, hashed, saved with its result."""

import codecs
import re
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from curation.digests import digest_of
from curation.errors import BadInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LONGEST = 100


def check_name(name: str, what: str) -> str:
    """Return the name given for a new `what` (run, snapshot, ...); raises BadInput for one that is not safe everywhere.

    A name becomes a folder, a part of a command line and of a report, so it has no slash, no space, no leading dash.
    """
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{what} name {name!r}: expected up to 100 letters, digits, dots, dashes and underscores, the first a "
            "letter or digit. Choose another name."
        )
    return name


def check_title(name: str, what: str) -> str:
    """Return the name given for a new `what` (reader, source, project) that is only shown; raises BadInput.

    It may have spaces and letters of any language, but nothing that leads elsewhere or hides on a screen.
    """
    is_path = name in (".", "..") or "/" in name or "\\" in name
    if not 1 <= len(name) <= LONGEST or name != name.strip() or not name.isprintable() or is_path:
        raise BadInput(
            f"{what} name {name!r}: expected 1 to {LONGEST} characters without slashes, backslashes, control "
            "characters and spaces around it. Choose another name."
        )
    return name


class FrozenRequest(BaseModel):
    """The base of every request and of its parts: it cannot change, and refuses unknown entries, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a request saved as JSON, with or without a byte order mark; raises BadInput that names each fault."""
        content = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
        try:
            return cls.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
        except ValidationError as error:
            raise BadInput(describe(error)) from error

    @classmethod
    def checked(cls, /, **values: Any) -> Self:
        """Build a request; raises BadInput that names each entry at fault."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise BadInput(describe(error)) from error

    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_of(self.model_dump(mode="json"))


def describe(error: ValidationError) -> str:
    """Name the entries at fault in one sentence: what was expected of each and what was got."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", error.title).lower()
    faults = []
    for fault in error.errors(include_url=False):
        entry = ".".join(map(str, fault["loc"]))
        expected = fault["msg"].removeprefix("Value error, ")
        got = f", got {fault['input']!r}" if entry and fault["type"] != "missing" else ""
        faults.append(f"{entry}: {expected}{got}" if entry else expected)
    return f"the {name} cannot be used: {'; '.join(faults)}. Correct it and repeat."
