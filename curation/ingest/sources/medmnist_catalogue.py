"""The 2-D MedMNIST data sets: the files of 28 pixels, their MD5 sums, and label names for every size.

Source: MedMNIST 3.0.2 (Yang et al., Scientific Data 2023), files at https://doi.org/10.5281/zenodo.10519652.
Label names are shortened so that none holds a comma.
"""

import re
from dataclasses import dataclass

from curation.errors import NotFound

_RECORD = "https://zenodo.org/records/10519652/files"
_FILE_NAME = re.compile(r"(?P<name>[a-z]+mnist)(_(28|64|128|224))?( ?\(\d+\))?\.npz")


def split_labels(names: str) -> tuple[str, ...]:
    """Split label names at their commas."""
    return tuple(names.split(", "))


_ORGANS = split_labels(
    "bladder, femur-left, femur-right, heart, kidney-left, kidney-right, liver, lung-left, lung-right, pancreas, spleen"
)


@dataclass(frozen=True, slots=True)
class MedMNIST:
    """One data set: its labels by number, or by column where each image has several (chestmnist)."""

    name: str
    md5: str
    labels: tuple[str, ...]
    licence: str = "CC BY 4.0"

    @property
    def file_name(self) -> str:
        """The name of the published file."""
        return f"{self.name}.npz"

    @property
    def url(self) -> str:
        """Where the file is downloaded from."""
        return f"{_RECORD}/{self.file_name}?download=1"


CATALOGUE = {
    entry.name: entry
    for entry in (
        MedMNIST(
            "pathmnist",
            "a8b06965200029087d5bd730944a56c1",
            split_labels(
                "adipose, background, debris, lymphocytes, mucus, smooth muscle, normal colon mucosa, "
                "cancer-associated stroma, colorectal adenocarcinoma epithelium"
            ),
        ),
        MedMNIST(
            "chestmnist",
            "02c8a6516a18b556561a56cbdd36c4a8",
            split_labels(
                "atelectasis, cardiomegaly, effusion, infiltration, mass, nodule, pneumonia, "
                "pneumothorax, consolidation, edema, emphysema, fibrosis, pleural, hernia"
            ),
        ),
        MedMNIST(
            "dermamnist",
            "0744692d530f8e62ec473284d019b0c7",
            split_labels(
                "actinic keratoses and intraepithelial carcinoma, basal cell carcinoma, benign "
                "keratosis-like lesions, dermatofibroma, melanoma, melanocytic nevi, vascular lesions"
            ),
            licence="CC BY-NC 4.0",
        ),
        MedMNIST(
            "octmnist",
            "c68d92d5b585d8d81f7112f81e2d0842",
            split_labels("choroidal neovascularization, diabetic macular edema, drusen, normal"),
        ),
        MedMNIST("pneumoniamnist", "28209eda62fecd6e6a2d98b1501bb15f", split_labels("normal, pneumonia")),
        MedMNIST(
            "retinamnist",
            "bd4c0672f1bba3e3a89f0e4e876791e4",
            split_labels("grade 0, grade 1, grade 2, grade 3, grade 4"),
        ),
        MedMNIST("breastmnist", "750601b1f35ba3300ea97c75c52ff8f6", split_labels("malignant, normal or benign")),
        MedMNIST(
            "bloodmnist",
            "7053d0359d879ad8a5505303e11de1dc",
            split_labels(
                "basophil, eosinophil, erythroblast, immature granulocytes, lymphocyte, monocyte, neutrophil, platelet"
            ),
        ),
        MedMNIST(
            "tissuemnist",
            "ebe78ee8b05294063de985d821c1c34b",
            split_labels(
                "collecting duct or connecting tubule, distal convoluted tubule, glomerular endothelial "
                "cells, interstitial endothelial cells, leukocytes, podocytes, proximal tubule segments, "
                "thick ascending limb"
            ),
        ),
        MedMNIST("organamnist", "68e3f8846a6bd62f0c9bf841c0d9eacc", _ORGANS),
        MedMNIST("organcmnist", "b9ceb9546e10131b32923c5bbeaea2b1", _ORGANS),
        MedMNIST("organsmnist", "9ab87b696fb54e2a387ebe992d6ed5f1", _ORGANS),
    )
}


def find_by_file(file_name: str) -> MedMNIST | None:
    """Find the data set that a file is named for: NAME.npz, or NAME_64, _128 or _224 as MedMNIST+ calls its sizes.

    A browser adds " (1)" to the name of a file that it fetches again.
    """
    match = _FILE_NAME.fullmatch(file_name.lower())
    return CATALOGUE.get(match["name"]) if match else None


def find_medmnist(name: str) -> MedMNIST:
    """Find a data set by its name, in any case; raises NotFound with the known names."""
    entry = CATALOGUE.get(name.lower())
    if entry is not None:
        return entry
    larger = find_by_file(f"{name}.npz")
    if larger is not None:
        raise NotFound(
            f"only the 28 pixel files are fetched by name, and {name!r} is a larger size of {larger.name}. Fetch "
            f"{name.lower()}.npz from {_RECORD} yourself and import the file."
        )
    raise NotFound(f"no MedMNIST data set {name!r}. There are: {', '.join(CATALOGUE)}.")
