"""LoRA: low-rank updates of the attention's linear layers (Hu et al. 2021, arXiv:2106.09685)."""

from peft import LoraConfig

from curation.errors import BadInput
from train.adaptation.methods.table import Lora as Config
from train.adaptation.peft_adapters import add_adapter, find_attention_linears, load_adapter, save_adapter
from train.backbones.load import Backbone


def check(backbone: Backbone, method: Config) -> None:
    """Refuse an encoder without linear layers, and a rank above the width of the narrowest one it would update."""
    for name in find_attention_linears(backbone.model):
        layer = backbone.model.get_submodule(name)
        width = min(layer.in_features, layer.out_features)
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
        target_modules=find_attention_linears(backbone.model),
    )
    return add_adapter(backbone, config, name)


save = save_adapter
load = load_adapter
