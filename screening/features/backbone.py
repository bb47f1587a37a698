"""Load the backbone of a screening or a measurement on the device that training uses too."""

from curation.project import Project
from train.backbones.load import Backbone
from train.backbones.names import backbone_of_project
from train.fitting.device import choose_device


def load_backbone(project: Project, backbone: str | None) -> Backbone:
    """Load what a command was given, else the backbone that `rounds.toml` names, on the GPU where there is one.

    Features that are kept name the kind of device, so those of a processor are not taken for those of a GPU.
    """
    return Backbone.load(backbone_of_project(project, backbone), choose_device())
