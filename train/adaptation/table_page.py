"""The table of adaptations as Markdown and as plain values. Torch-free."""

from typing import Any

from train.adaptation.rows.row import MethodConfig
from train.adaptation.rows.table import METHODS, rows_by_family

BEGIN, END = "<!-- table of adaptations: made by `make docs` -->", "<!-- end of the table -->"
COLUMNS = ("`--adaptation`", "what changes", "applies to", "settings", "paper", "verified")


def table_as_values() -> list[dict[str, Any]]:
    """Give every row with its settings, under their short names."""
    return [_values(settings) for settings in METHODS.values()]


def _values(settings: type[MethodConfig]) -> dict[str, Any]:
    row = settings.row
    return {
        "name": row.name,
        "family": row.family,
        "what": row.summary,
        "applies to": row.applies_to,
        "paper": row.paper,
        "learning rate": row.learning_rate,
        "settings": settings.defaults(),
        "verified": row.verified,
    }


def render_table() -> str:
    """Write the table, one part for every family."""
    parts = [BEGIN]
    for family, rows in rows_by_family().items():
        if not rows:
            continue
        parts += ["", f"**{family[0].upper()}{family[1:]}**", ""]
        parts += [
            "| `--adaptation` | what changes | applies to | settings | paper | verified |",
            "|---|---|---|---|---|---|",
        ]
        for row in rows:
            defaults = METHODS[row.name].defaults().items()
            settings = ", ".join(f"`{name}` {value:g}" for name, value in defaults if isinstance(value, int | float))
            cells = (f"`{row.name}`", row.summary, row.applies_to, settings or "none", row.paper, row.verified)
            parts.append(f"| {' | '.join(cells)} |")
    return "\n".join([*parts, "", END])


def put_table(page: str) -> str:
    """Replace the table of a page by that of the rows."""
    before, _, rest = page.partition(BEGIN)
    return before + render_table() + rest.partition(END)[2]
