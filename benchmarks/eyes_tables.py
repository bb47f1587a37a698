"""Print the tables of what `benchmarks.eyes_measures` kept, the backbones side by side.

python -m benchmarks.eyes_tables --keep DIR --eye virtual-brains-vit --eye student --eye dinov2-small
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

DATA = ("cohort", "chest X-rays", "blood cells")
MEASURES = ("frechet_components", "kernel", "precision", "recall", "density", "coverage", "authenticity")
DISTANCES = ("frechet_components", "kernel")
Z = 1.96

Result = dict[str, Any]


def with_interval(estimate: dict[str, float], places: int = 3) -> str:
    """Word a value with its interval: `.871 (.802 to .919)`."""
    value, low, high = (f"{estimate[part]:.{places}f}" for part in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def generator_table(eyes: Sequence[Result]) -> Iterator[str]:
    """A row for each measure and backbone: the generated images, the floor, and the difference."""
    yield "| measure | backbone | shipped generator | real against real | difference |\n|---|---|---|---|---|"
    keys = list(dict.fromkeys(row["key"] for eye in eyes for row in eye["generator"] if row["value"]))
    for key in keys:
        for eye in eyes:
            for row in eye["generator"]:
                if row["key"] == key and row["value"]:
                    sides = [with_interval(row[side]) for side in ("value", "floor", "excess")]
                    sides[2] = f"**{sides[2]}**" if moved(row) else sides[2]
                    yield f"| {row['name']} | {eye['eye']} | {' | '.join(sides)} |"


def moved(row: Result) -> bool:
    """Whether the interval of the difference to the floor leaves out zero."""
    return bool(row["excess"]["low"] > 0 or row["excess"]["high"] < 0)


def difference(row: Result) -> str:
    """Word the difference to the floor: of a distance in its standard errors; bold where it leaves out zero."""
    excess = row["excess"]
    if row["key"] in DISTANCES:
        text = f"{excess['value'] / ((excess['high'] - excess['low']) / 2 / Z):+.1f} s"
    else:
        text = f"{excess['value']:+.2f}"
    return f"**{text}**" if moved(row) else text


def reaction_table(eyes: Sequence[Result]) -> Iterator[str]:
    """A row for each planted set; in a cell the backbones one after the other."""
    yield f"| in the place of the generated images | {' | '.join(MEASURES)} |\n|---{'|---' * len(MEASURES)}|"
    for name in eyes[0]["reactions"]:
        cells = []
        for key in MEASURES:
            rows = [row for eye in eyes for row in eye["reactions"][name] if row["key"] == key]
            cells.append(" / ".join(difference(row) for row in rows))
        yield f"| {name} | {' | '.join(cells)} |"


def modes_table(eyes: Sequence[Result]) -> Iterator[str]:
    """A row for each missing subgroup and backbone: what the coverage map says of it."""
    yield (
        "| missing | backbone | modes | mutual information | modes missed or scarce: missing, complete | "
        "share kept by share real: missing | complete | covered: missing | complete |\n" + "|---" * 9 + "|"
    )
    for name in eyes[0]["modes"]:
        for eye in eyes:
            mode = eye["modes"][name]
            states = [sum(state in ("missed", "scarce") for state, _ in mode[side]["modes"].values())
                      for side in ("missing", "complete")]  # fmt: skip
            ratios = [f"{mode[side]['subgroup'][0]}, {with_interval(mode[side]['subgroup'][1], 2)}"
                      for side in ("missing", "complete")]  # fmt: skip
            covered = [mode[side]["covered"]["inside"] for side in ("missing", "complete")]
            counts = [f"{count['hits']} of {count['n']}" for count in covered]
            information = f"{mode['mutual information of mode and subgroup']:.2f}"
            cells = [name, eye["eye"], mode["modes"], information, f"{states[0]}, {states[1]}", *ratios, *counts]
            yield f"| {' | '.join(map(str, cells))} |"


def proxy_table(eyes: Sequence[Result]) -> Iterator[str]:
    """A row for each kind of defect; a column for each backbone."""
    yield f"| images | {' | '.join(eye['eye'] for eye in eyes)} |\n|---{'|---' * len(eyes)}|"
    untouched = [eye["proxy"]["untouched"] for eye in eyes]
    yield f"| untouched: accepted | {' | '.join(accepted(verdicts) for verdicts in untouched)} |"
    for kind in eyes[0]["proxy"]["kinds"]:
        cells = [
            f"{with_interval(eye['proxy']['kinds'][kind]['auroc'])}, {accepted(eye['proxy']['kinds'][kind])}"
            for eye in eyes
        ]
        yield f"| {kind.replace('_', ' ')} | {' | '.join(cells)} |"


def accepted(verdicts: Result) -> str:
    """Word how many images were accepted: `52 of 60`."""
    return f"{round(verdicts['accepted']['value'] * verdicts['n'])} of {verdicts['n']}"


def main() -> None:
    """Print every table of every data set that has been measured with all the backbones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--eye", action="append", required=True)
    options = parser.parse_args()
    tables: dict[str, Callable[[Sequence[Result]], Iterator[str]]] = {
        "generator": generator_table,
        "reactions": reaction_table,
        "modes": modes_table,
        "proxy": proxy_table,
    }
    for data in DATA:
        paths = [options.keep / f"{data} {eye}.json" for eye in options.eye]
        eyes = [json.loads(path.read_text()) for path in paths if path.is_file()]
        for part in [name for name in tables if eyes and name in eyes[0]]:
            print(f"\n{data}: {part}, {', '.join(eye['eye'] for eye in eyes)}\n")
            print("\n".join(tables[part](eyes)))


if __name__ == "__main__":
    main()
