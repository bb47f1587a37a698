"""What a backbone is given otherwise than its reference gives it is said once where it is trained."""

import json
from pathlib import Path

from curation.project import Project
from tests.cli.curated import train_command
from tests.cli.queueing import run


def test_training_says_once_that_the_reference_crops_and_here_the_image_is_stretched(
    curated: Project, backbone: Path
) -> None:
    assert "stretched" not in run(curated, *train_command(backbone))
    file = backbone / "preprocessor_config.json"
    crop = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    file.write_text(json.dumps(json.loads(file.read_text()) | crop))
    shown = " ".join(run(curated, *train_command(backbone), "--name", "cropped").split())
    assert shown.count("the reference crops the centre") == 1
    assert "the whole image is stretched to 32 x 32" in shown
