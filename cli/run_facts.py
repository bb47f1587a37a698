"""What a command says of a run that was trained."""

from typing import Any

from cli.snapshot_notes import near_copies_of_folder
from curation.provenance.public_web import OVERLAP
from curation.provenance.seen import PUBLIC_WEB
from curation.snapshots.folder import SnapshotFolder


def facts_of_run(name: str, run: Any, folder: SnapshotFolder) -> dict[str, Any]:
    """The validation metrics, what trained and what it took, and what a reader of them has to know."""
    facts: dict[str, Any] = {"run": name, "directory": str(run.directory), "validation": run.metrics}
    facts |= _average_lines(run.card) | cost_lines(run.card["parameters"], run.cost)
    near = near_copies_of_folder(folder, "validation")
    facts |= {"near copies": near, "notice": run.card["notice"]}
    without = sorted(set(folder.classes) - {row.label for row in folder.iter_rows("validation")})
    if without and len(without) < len(folder.classes):
        facts["validation has no"] = f"{', '.join(without)}: what validation chose is blind to that"
    if note := run.card["backbone"].get("preprocessing"):
        facts["preprocessing"] = note
    if run.card.get("mixed_scales"):
        facts["scales"] = run.card["mixed_scales"]
    if run.card.get("constant_features"):
        facts["features that do not vary"] = run.card["constant_features"]
    if web := run.card["saw"].get("public_web"):
        facts[PUBLIC_WEB] = f"{', '.join(web)} saw web images; {OVERLAP}"
    if penalty := run.card.get("penalty"):
        facts["penalty"] = f"{penalty['value']:g}, by {penalty['by']}"
    if before := run.card.get("continues"):
        facts["continues"] = f"{before['run']}: {before['images_added']} images added, "
        facts["continues"] += f"{before['images_already_in']} were in already and are not counted twice"
    facts |= _fit_lines(run)
    if run.card.get("affected"):
        facts["withdrawals"] = run.card["affected"]
    return facts


def _fit_lines(run: Any) -> dict[str, str]:
    """What was special about the fit."""
    lines = {}
    if first := run.card.get("pretrained_on_synthetic"):
        lines["synthetic images first"] = f"{first['images']} images in {first['steps']} steps"
    if tries := run.card["config"].get("tries"):
        lines["chosen on validation"] = f"the best of {tries} tries: {_tuned_lines(run)}"
    if shortage := run.card.get("out_of_memory"):
        lines["memory was short"] = shortage
    return lines


def _tuned_lines(run: Any) -> str:
    """The entries that a search chose."""
    from train.adaptation.tuning import read_tries

    config, tries = run.card["config"], read_tries(run.directory)
    names = {name for attempt in tries for name in attempt["entries"]}
    numbers = ", ".join(f"{name} {config[name]:.3g}" for name in sorted(names) if name in config)
    compared = len({attempt["search"] for attempt in tries}) > 1
    return f"synthetic images {config.get('synthetic', 'mixed')}, {numbers}" if compared else numbers


def _average_lines(card: dict[str, Any]) -> dict[str, str]:
    """Which fits of a soup were kept, and which point between start and end."""
    lines = {}
    if soup := card.get("soup"):
        lines["soup"] = f"{len(soup['kept'])} of {len(soup['losses'])} fits averaged, as validation chose"
    if curve := card.get("curve"):
        best = min(curve, key=lambda point: point["validation_loss"])
        lines["from start to end"] = f"{best['share']:.0%} of the way, as validation chose"
    return lines


def cost_lines(parameters: dict[str, int], cost: dict[str, float]) -> dict[str, str]:
    """What trains, and what it took."""
    trainable, total = parameters["trainable"], parameters["total"]
    lines = {"trained": f"{trainable:,} of {total:,} weights ({trainable / total:.2%})"}
    if "extra_bytes" in cost:
        lines["memory beside the weights"] = f"{cost['extra_bytes'] / 1e6:.1f} MB"
    if "step_s" in cost:
        lines["a step"] = f"{cost['step_s']:.3g} s"
    return lines
