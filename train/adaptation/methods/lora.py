"""LoRA: low-rank updates of linear layers, else of convolutions (Hu et al. 2021, arXiv:2106.09685)."""

from peft import LoraConfig

from curation.errors import BadInput
from train.adaptation.methods.table import Lora as Config
from train.adaptation.peft_adapters import add_adapter, find_layers_to_adapt, load_adapter, save_adapter
from train.backbones.load import Backbone


def check(backbone: Backbone, method: Config) -> None:
    """Refuse an encoder without layers to adapt, and a rank above the width of the narrowest one it would update."""
    for name in find_layers_to_adapt(backbone.model):
        width = min(backbone.model.get_parameter(f"{name}.weight").shape[:2])
        if method.rank > width:
            raise BadInput(
                f"lora_rank {method.rank} is more than the {width} channels of {name}, so the update would not be of "
                f"low rank. Set lora_rank to {width} at most."
            )


def prepare(backbone: Backbone, method: Config, name: str) -> Backbone:
    """Freeze the encoder and add the low-rank updates."""
    config = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=find_layers_to_adapt(backbone.model),
    )
    return add_adapter(backbone, config, name)


save = save_adapter
load = load_adapter
