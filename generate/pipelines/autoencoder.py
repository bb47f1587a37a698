"""A small convolutional autoencoder, 4x down, whose latents come out normalised.

No codebook and no KL term: noise on the latents during the fit keeps the decoder smooth, and the stored mean and
standard deviation of each channel bring the latents to the unit scale that the flow starts from.
"""

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from generate.pipelines.sizes import NORM_GROUPS

ROUNDING = 1e-6  # of the size of a latent: a deviation below it is that of rounding


class ResidualBlock(nn.Module):
    """Norm, SiLU, convolution, twice, added to the input; the last convolution starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(NORM_GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(NORM_GROUPS, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residual to (B, C, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class ImageAutoencoder(ModelMixin, ConfigMixin):
    """Images (B, C, H, W) in [-1, 1] to normalised latents (B, latent_channels, H/4, W/4) and back."""

    @register_to_config
    def __init__(
        self,
        image_channels: int = 1,
        block_out_channels: tuple[int, int] = (48, 96),
        layers_per_block: int = 2,
        latent_channels: int = 4,
    ) -> None:
        super().__init__()
        half, quarter = block_out_channels
        # The first halving is a rearrangement of pixels: no convolution ever runs wide at full resolution.
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),  # (B, 4C, H/2, W/2)
            nn.Conv2d(4 * image_channels, half, 3, padding=1),
            *(ResidualBlock(half) for _ in range(layers_per_block)),
            nn.Conv2d(half, quarter, 3, stride=2, padding=1),  # (B, quarter, H/4, W/4)
            *(ResidualBlock(quarter) for _ in range(layers_per_block)),
            nn.GroupNorm(NORM_GROUPS, quarter),
            nn.SiLU(),
            nn.Conv2d(quarter, latent_channels, 3, padding=1),
        )
        full = max(half // 4, NORM_GROUPS)
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, quarter, 3, padding=1),
            *(ResidualBlock(quarter) for _ in range(layers_per_block + 1)),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(quarter, half, 3, padding=1),  # (B, half, H/2, W/2)
            *(ResidualBlock(half) for _ in range(layers_per_block + 1)),
            nn.GroupNorm(NORM_GROUPS, half),
            nn.SiLU(),
            nn.Conv2d(half, 4 * full, 3, padding=1),
            nn.PixelShuffle(2),  # (B, full, H, W)
            nn.SiLU(),
            nn.Conv2d(full, full, 3, padding=1),  # two convolutions at full resolution take out the checkerboard
            nn.SiLU(),
            nn.Conv2d(full, image_channels, 3, padding=1),
        )
        self.register_buffer("latent_mean", torch.zeros(1, latent_channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(1, latent_channels, 1, 1))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) in [-1, 1] to latents of zero mean and unit variance over the training images."""
        return (self.encoder(images) - self.latent_mean) / self.latent_std

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Normalised latents to (B, C, H, W), about [-1, 1]."""
        return self.decoder(latents * self.latent_std + self.latent_mean)

    def forward(self, images: torch.Tensor, latent_noise: torch.Tensor | None = None) -> torch.Tensor:
        """Reconstruct; `latent_noise` (B, latent_channels, H/4, W/4) is in units of the batch's own latent spread."""
        latents = self.encoder(images)
        if latent_noise is not None:
            spread = latents.detach().float().std(dim=(0, 2, 3), keepdim=True)
            latents = latents + latent_noise * spread
        return self.decoder(latents)

    @torch.no_grad()
    def normalise(self, raw_latents: torch.Tensor) -> int:
        """Store the channel means and standard deviations of `raw_latents`, as `encoder` gave them.

        A channel that does not vary has scale 1; returns how many there are.
        """
        mean = raw_latents.mean(dim=(0, 2, 3), keepdim=True)
        std = raw_latents.std(dim=(0, 2, 3), keepdim=True)
        constant = std <= ROUNDING * (1 + mean.abs())
        self.latent_mean.copy_(mean)
        self.latent_std.copy_(std.masked_fill(constant, 1.0))
        return int(constant.sum())
