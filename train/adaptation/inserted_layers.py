"""Prompts and adapters put into an encoder by hooks: its own weights and its code stay as they are.

Each inserter finds its places in the model, makes the new layers and hooks them in. At the start the encoder gives what
it gave before, but for prompts. The layers stand in `encoder.inserted`, so they move, train and are saved with it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.modules.batchnorm import _BatchNorm

from curation.errors import BadInput
from train.adaptation.blocks import find_blocks

PROMPT_DEVIATION = 0.02
ADAPTER_SCALE = 0.1  # of AdaptFormer, section 3.2


class Inserted(nn.Module):
    """The layers in an encoder, and what made them."""

    def __init__(self, inserter: str, settings: dict[str, Any], layers: nn.Module) -> None:
        super().__init__()
        self.inserter, self.settings = inserter, settings
        self.layers = layers


def insert_layers(encoder: nn.Module, inserter: str, settings: dict[str, Any], blank: Tensor) -> None:
    """Freeze `encoder` and put the layers of `inserter` into it; `blank` is one input (1, C, h, w) to measure shapes.

    Raises BadInput where the encoder has no place for them.
    """
    encoder.requires_grad_(False)
    layers = INSERTERS[inserter](encoder, blank, **settings)
    encoder.add_module("inserted", Inserted(inserter, settings, layers.to(blank.device)))


def shallow_prompts(encoder: nn.Module, blank: Tensor, tokens: int) -> nn.Module:
    """Put prompts behind the tokens of the embedding (VPT-shallow)."""
    return _prompts(encoder, blank, tokens, deep=False)


def deep_prompts(encoder: nn.Module, blank: Tensor, tokens: int) -> nn.Module:
    """Put prompts behind the tokens, and replace them before every further block (VPT-deep)."""
    return _prompts(encoder, blank, tokens, deep=True)


class Prompts(nn.Module):
    """Learned tokens, (P, D) for each block that gets new ones."""

    def __init__(self, count: int, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(PROMPT_DEVIATION * torch.randn(count, tokens, width))

    def append(self, sequence: Tensor) -> Tensor:
        """Tokens (N, T, D) with the first prompts behind them."""
        return torch.cat([sequence, self.tokens[0].expand(len(sequence), -1, -1)], dim=1)

    def replace(self, sequence: Tensor, block: int) -> Tensor:
        """The sequence with the prompts of a block in place of those behind it."""
        before = sequence[:, : -self.tokens.shape[1]]
        return torch.cat([before, self.tokens[block].expand(len(sequence), -1, -1)], dim=1)


def _prompts(encoder: nn.Module, blank: Tensor, tokens: int, deep: bool) -> Prompts:
    blocks = find_blocks(encoder)
    embeddings = getattr(encoder, "embeddings", None)
    sequence = _outputs(encoder, [embeddings], blank)[0] if isinstance(embeddings, nn.Module) else None
    if sequence is None or sequence.ndim != 3 or _turns_positions(encoder):
        raise _no_place(encoder, "tokens of patches to put prompts beside")
    prompts = Prompts(len(blocks) if deep else 1, tokens, sequence.shape[2])
    assert isinstance(embeddings, nn.Module)
    embeddings.register_forward_hook(lambda module, inputs, output: prompts.append(output))
    for number, block in enumerate(blocks[1:] if deep else [], start=1):
        block.register_forward_pre_hook(
            lambda module, inputs, number=number: (prompts.replace(inputs[0], number), *inputs[1:])
        )

    def cut(module: nn.Module, inputs: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state[:, : -prompts.tokens.shape[1]]
        return output

    encoder.register_forward_hook(cut)
    return prompts


def _turns_positions(encoder: nn.Module) -> bool:
    """Whether positions are turned into the tokens of every block, which counts them (DINOv3)."""
    return any("rope" in name for name, _ in encoder.named_modules())


class Bottleneck(nn.Module):
    """AdaptFormer's branch: down, ReLU, up, times a fixed scale; up starts at zero."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """What the branch adds to the output of the perceptron (N, T, D)."""
        added: Tensor = ADAPTER_SCALE * self.up(relu(self.down(tokens)))
        return added


def bottlenecks(encoder: nn.Module, blank: Tensor, width: int) -> nn.Module:
    """Put a bottleneck beside the perceptron of every block."""
    perceptrons = [part for block in find_blocks(encoder) if (part := getattr(block, "mlp", None)) is not None]
    outputs = _outputs(encoder, perceptrons, blank) if perceptrons else []
    if not outputs or any(output is None or output.ndim != 3 for output in outputs):
        raise _no_place(encoder, "multilayer perceptrons of tokens")
    layers = nn.ModuleList(Bottleneck(output.shape[2], width) for output in outputs if output is not None)
    for perceptron, layer in zip(perceptrons, layers, strict=True):
        perceptron.register_forward_hook(lambda module, inputs, output, layer=layer: output + layer(inputs[0]))
    return layers


class ScaleAndShift(nn.Module):
    """A scale and a shift of every channel; it starts as the identity."""

    def __init__(self, width: int, is_map: bool) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.shape = (-1, 1, 1) if is_map else (-1,)

    def forward(self, features: Tensor) -> Tensor:
        """The same shape, scaled and shifted channel by channel."""
        return features * self.scale.view(self.shape) + self.shift.view(self.shape)


def scales_and_shifts(encoder: nn.Module, blank: Tensor) -> nn.Module:
    """Put a scale and a shift behind every linear layer, convolution and normalisation (SSF)."""
    kinds = nn.Linear | nn.Conv2d | nn.LayerNorm | _BatchNorm
    reached: list[nn.Module] = [part for part in encoder.modules() if isinstance(part, kinds)]
    outputs = _outputs(encoder, reached, blank)
    places = [(part, output) for part, output in zip(reached, outputs, strict=True) if output is not None]
    if not places:
        raise _no_place(encoder, "linear layers, convolutions or normalisations")
    layers = nn.ModuleList()
    for part, output in places:
        is_map = isinstance(part, nn.Conv2d | _BatchNorm)
        layer = ScaleAndShift(output.shape[1 if is_map else -1], is_map)
        part.register_forward_hook(lambda module, inputs, output, layer=layer: layer(output))
        layers.append(layer)
    return layers


class ConvolutionBottleneck(nn.Module):
    """Pointwise down, depthwise 3 x 3, ReLU, pointwise up; up starts at zero. `stride` is that of its block."""

    def __init__(self, channels: int, width: int, inner: int, stride: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, inner, 1)
        self.depthwise = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner)
        self.up = nn.Conv2d(inner, width, 1)
        nn.init.zeros_(self.up.weight)
        assert self.up.bias is not None
        nn.init.zeros_(self.up.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """What the branch adds to the output of its block (N, C, h, w)."""
        added: Tensor = self.up(relu(self.depthwise(self.down(maps))))
        return added


def convolution_bottlenecks(encoder: nn.Module, blank: Tensor, width: int) -> nn.Module:
    """Put a bottleneck beside every block of a network of maps (Conv-Adapter)."""
    blocks = find_blocks(encoder)
    inputs: dict[nn.Module, Tensor] = {}
    handles = [
        block.register_forward_pre_hook(lambda module, entering: inputs.update({module: entering[0]}))
        for block in blocks
    ]
    outputs = _outputs(encoder, blocks, blank)
    for handle in handles:
        handle.remove()
    if any(output is None or output.ndim != 4 for output in outputs):
        raise _no_place(encoder, "blocks of feature maps")
    layers = nn.ModuleList()
    for block, output in zip(blocks, outputs, strict=True):
        assert output is not None
        entering = inputs[block]
        stride = round(entering.shape[2] / output.shape[2])
        layer = ConvolutionBottleneck(entering.shape[1], output.shape[1], width, stride)
        block.register_forward_hook(lambda module, inputs, output, layer=layer: output + layer(inputs[0]))
        layers.append(layer)
    return layers


INSERTERS: dict[str, Callable[..., nn.Module]] = {
    "shallow_prompts": shallow_prompts,
    "deep_prompts": deep_prompts,
    "bottlenecks": bottlenecks,
    "scales_and_shifts": scales_and_shifts,
    "convolution_bottlenecks": convolution_bottlenecks,
}


def _outputs(encoder: nn.Module, parts: list[nn.Module], blank: Tensor) -> list[Tensor | None]:
    """What each part puts out on a blank input; None of a part that is not run or gives no tensor."""
    seen: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            seen[module] = output

    handles = [part.register_forward_hook(note) for part in parts]
    with torch.inference_mode():
        encoder(blank)
    for handle in handles:
        handle.remove()
    return [seen.get(part) for part in parts]


def _no_place(encoder: nn.Module, expected: str) -> BadInput:
    return BadInput(
        f"expected {expected}, but {type(encoder).__name__} has none. Choose another --adaptation; `rounds adaptations`"
        " says what each is for."
    )
