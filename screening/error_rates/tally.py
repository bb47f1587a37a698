"""Counts of verdicts with exact intervals: of images together, and of each check."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from curation.estimates import rounded_interval
from screening.checks.check import Check, worst
from screening.checks.fitted import CHECKS


@dataclass
class VerdictCounts:
    """Counts of verdicts of images: of all checks together, and of each check."""

    n: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    blocked: Counter[str] = field(default_factory=Counter)

    def add(self, checks: Sequence[Check]) -> None:
        """Count the checks of one image."""
        self.n += 1
        self.verdicts[worst(checks)] += 1
        self.flagged.update(check.name for check in checks if check.verdict == "flag")
        self.blocked.update(check.name for check in checks if check.verdict == "block")

    def as_json(self) -> dict[str, Any]:
        """Counts with exact 95 % intervals; `caught` is flagged or blocked."""
        caught, blocked = self.n - self.verdicts["pass"], self.verdicts["block"]
        return {
            "n": self.n,
            "caught": caught,
            "caught_95": rounded_interval(caught, self.n),
            "blocked": blocked,
            "blocked_95": rounded_interval(blocked, self.n),
            "by_check": {
                name: {
                    "caught": self.flagged[name] + self.blocked[name],
                    "caught_95": rounded_interval(self.flagged[name] + self.blocked[name], self.n),
                    "blocked": self.blocked[name],
                }
                for name in CHECKS
            },
        }
