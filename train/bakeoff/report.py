"""Write the table of a bake-off as Markdown and CSV, and its plot. Torch-free."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from curation.files import whole_file
from train.bakeoff.plot import plot_shares

TABLE, CSV, PLOT, VALUES = "table.md", "table.csv", "plot.png", "bakeoff.json"
HEAD = ("contestant", "AUROC", "balanced accuracy", "trains", "steps", "tries", "seeds", "s a step", "s a run")
COLUMNS = ("name", "method", "backbone", "trainable", "total", "share", "extra_bytes", "steps", "batch_size", "tries",
           "rate_factor", "seeds", "step_s", "seconds", "failed")  # fmt: skip
MEASURES = ("auroc", "balanced_accuracy")


def write_report(result: dict[str, Any], out: Path) -> None:
    """Write every file of the result into `out`, each whole or not at all."""
    _write(out / VALUES, json.dumps(result, indent=1, sort_keys=True) + "\n")
    _write(out / TABLE, as_page(result))
    _write(out / CSV, as_csv(result["contestants"]))
    figure: Figure = plot_shares(result)
    with whole_file(out / PLOT) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def as_page(result: dict[str, Any]) -> str:
    """Write the page: what was compared, the table, the plot."""
    notice = [f"> {result['notice']}"] if result["notice"] else []
    affected = (
        [f"**Descends from a withdrawn subject**: {'; '.join(result['affected'])}."] if result["affected"] else []
    )
    title = f"# Bake-off on {result['snapshot']}, {result['split']} subjects"
    picture = f"![AUROC against the share of the weights that train]({PLOT})"
    parts = [title, *notice, *affected, describe(result), "\n".join(table_lines(result["contestants"])), picture]
    return "\n\n".join(parts) + "\n"


def describe(result: dict[str, Any]) -> str:
    """Say what the table rests on, and what it cannot say."""
    plan = result["plan"]
    chosen = (
        "Weights, penalties and learning rates were chosen on the same validation images, so every figure is a little "
        "too good; test subjects are opened with --split test."
        if result["split"] == "validation"
        else "Weights, penalties and learning rates were chosen on validation images."
    )
    seeds = "add the variance between seeds" if len(plan["seeds"]) > 1 else "know one seed, not how seeds differ"
    level = (
        "Subjects are unknown, so intervals are of images and too narrow where a subject has several."
        if result["resampled"] != "subject"
        else "Intervals resample whole subjects."
    )
    return (
        f"{result['n_train']} training images; {result['n_images']} {result['split']} images of {result['n_units']} "
        f"{result['resampled']}s; backbone `{result['backbone']['name']}` ({result['backbone']['digest'][:12]}). What "
        f"is trained by steps takes {plan['steps']} steps of {plan['batch_size']} images, none stopped early; "
        f"learning rates tried for each: {len(plan['rate_factors'])}. {result['confidence']:.0%} intervals "
        f"{seeds}. {level} {chosen} A closed form has one seed: chance has no part in it."
    )


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write the rows as a Markdown table; a contestant that failed has its reason below."""
    lines = [f"| {' | '.join(HEAD)} |", f"|---|{'---:|' * (len(HEAD) - 1)}"]
    lines += [f"| {' | '.join(cells(row).values())} |" for row in rows]
    failed = [f"- `{row['name']}`: {row['failed']}" for row in rows if "failed" in row]
    return [*lines, "", "Failed:", "", *failed] if failed else lines


def cells(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a row, by the names of the columns."""
    if "failed" in row:
        texts = [f"`{row['name']}`", "failed", *[""] * (len(HEAD) - 2)]
        return dict(zip(HEAD, texts, strict=True))
    values = [f"{row[name]['value']:.3f} ({row[name]['low']:.3f} to {row[name]['high']:.3f})" for name in MEASURES]
    texts = [
        f"`{row['name']}`", *values, "none" if row["share"] is None else f"{row['share']:.2%}",
        str(row["steps"] or "none"), str(row["tries"]), str(row["seeds"]),
        "" if row["step_s"] is None else f"{row['step_s']:.2g}", f"{row['seconds']:.3g}",
    ]  # fmt: skip
    return dict(zip(HEAD, texts, strict=True))


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Write the rows as CSV: a column for each value and bound."""
    bounds = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["name", "method", *bounds, *COLUMNS[2:]], restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        flat = {name: row[name] for name in COLUMNS if row.get(name) is not None}
        for name in (name for name in MEASURES if name in row):
            flat |= {name: row[name]["value"], f"{name}_low": row[name]["low"], f"{name}_high": row[name]["high"]}
        writer.writerow(flat)
    return text.getvalue()
