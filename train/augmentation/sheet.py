"""Draw what a preset does: images beside views of them."""

from pathlib import Path

from curation.snapshots.folder import SnapshotFolder
from train.augmentation.presets import PRESETS
from train.augmentation.views import Augmentation
from train.figures.contact_sheet import COLUMNS, draw_sheet
from train.fitting.seeding import seeded_generator

ORIGINALS = 4


def draw_augmentation(folder: SnapshotFolder, preset: str, seed: int, target: Path) -> Path:
    """Draw some training images, of each class in turn, every one at the left of a row of its views."""
    rows = folder.rows("train")
    by_class = [[row for row in rows if row.label == label] for label in folder.classes]
    chosen = [of_class[turn] for turn in range(ORIGINALS) for of_class in by_class if turn < len(of_class)][:ORIGINALS]
    pixels = folder.pixels(chosen)
    generator = seeded_generator(f"rounds/augmentation/{seed}")
    augmentation = Augmentation(preset, folder.shape[:2])
    views = [augmentation.views(pixels, generator) for _ in range(COLUMNS - 1)]
    pictures = [
        picture
        for place, row in enumerate(chosen)
        for picture in [(pixels[place], (f"{row.label}: as it is",)), *((view[place], ("view",)) for view in views)]
    ]
    return draw_sheet(f"{preset}: {PRESETS[preset].summary}", pictures, target)
