"""The request to measure a model of images and text. Torch-free."""

from pydantic import Field

from curation.requests import FrozenRequest
from train.image_text.prompts import TEMPLATES


class ImageTextMeasureRequest(FrozenRequest):
    """One model on the validation subjects of one snapshot."""

    model: str = Field(min_length=1, description="a folder of `rounds backbone align`, or a CLIP or SigLIP")
    templates: tuple[str, ...] = TEMPLATES
    shots: tuple[int, ...] = Field(default=(1, 4, 16), description="labelled images a class of the few-shot heads")
    draws: int = Field(default=5, ge=2, le=100, description="how often the few images are drawn")
    n_bootstrap: int = Field(default=1000, ge=100, description="resamples of subjects")
    seed: int = Field(default=0, ge=0)
    allow_unknown_provenance: bool = False
