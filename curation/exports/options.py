"""The options of an export, and its summary."""

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, Field

from curation.requests import FrozenRequest

LICENSE_UNKNOWN = "unknown - ask the publisher"


class ExportOptions(FrozenRequest):
    """What a curator decides about an export; hashed into its event."""

    model_config = ConfigDict(str_strip_whitespace=True)

    include_real: bool = False
    license: str = Field(default="", max_length=200, description="an SPDX id or an address")
    creator: str = Field(default="", max_length=200, description="who publishes it, as it should be cited")

    @property
    def license_or_unknown(self) -> str:
        """Give the licence, or state that it is unknown."""
        return self.license or LICENSE_UNKNOWN


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export wrote, where, and what it left out."""

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
