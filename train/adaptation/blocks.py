"""Find the blocks of an encoder, which rates by block, prompts and adapters rest on."""

from torch import nn

from curation.errors import BadInput


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """Find the blocks in the order they run: the layers of a transformer, or those of every stage of a hierarchy.

    They are the entries of the first list of modules, and of a stage those of its own list. Raises BadInput where the
    model has no such list.
    """
    lists = [part for part in model.modules() if isinstance(part, nn.ModuleList) and _hold_weights(part)]
    if not lists:
        raise BadInput(
            f"{type(model).__name__} is not made of blocks that can be told apart. Choose an --adaptation for every "
            "encoder; `rounds adaptations` lists them."
        )
    blocks: list[nn.Module] = []
    for stage in lists[0]:
        inner = getattr(stage, "layers", getattr(stage, "blocks", None))
        blocks += inner if isinstance(inner, nn.ModuleList | nn.Sequential) else [stage]
    return blocks


def _hold_weights(parts: nn.ModuleList) -> bool:
    return len(parts) > 0 and all(any(True for _ in part.parameters()) for part in parts)
