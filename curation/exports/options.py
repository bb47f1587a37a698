"""What a curator decides about an export, and what every export says when it is done."""

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, Field

from curation.requests import FrozenRequest

LICENSE_UNKNOWN = "unknown - ask the publisher"


class ExportOptions(FrozenRequest):
    """Frozen and hashed into the event of an export."""

    model_config = ConfigDict(str_strip_whitespace=True)

    include_real: bool = False
    license: str = Field(default="", max_length=200, description="an SPDX id or an address")
    creator: str = Field(default="", max_length=200, description="who publishes it, as it should be cited")

    @property
    def license_or_unknown(self) -> str:
        """The licence, or that nobody said which."""
        return self.license or LICENSE_UNKNOWN


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What left, where to, and what stayed."""

    format: str
    snapshot: str
    directory: str
    files: int
    synthetic: int
    altered: int
    real: int
    real_left_out: int
    counts: dict[str, Any]
    digest: str
    opens_with: str
    warnings: list[str]
