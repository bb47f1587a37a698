"""The losses of the two phases of a fit, and the score of a reconstruction."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from numpy.typing import NDArray

from generate.pipelines.latent_flow import TRAIN_TIMESTEPS

SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8.0


def image_gradients(images: torch.Tensor) -> torch.Tensor:
    """Sobel gradients (B, 2C, H-2, W-2) of (B, C, H, W)."""
    channels = images.shape[1]
    kernels = torch.stack([SOBEL, SOBEL.T])[:, None].to(images).repeat(channels, 1, 1, 1)
    return F.conv2d(images, kernels, groups=channels)


def reconstruction_loss(
    output: torch.Tensor, target: torch.Tensor, squared_weight: float, gradient_weight: float
) -> torch.Tensor:
    """L1 + squared error + L1 of Sobel gradients, of images in [-1, 1].

    L1 alone gives up small bright structures; the squared term makes a lost lesion cost more than a faint blur.
    """
    absolute = F.l1_loss(output, target)
    squared = F.mse_loss(output, target)
    gradient = F.l1_loss(image_gradients(output), image_gradients(target))
    return absolute + squared_weight * squared + gradient_weight * gradient


def flow_loss(
    unet: UNet2DModel, data: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, label_drop: float
) -> torch.Tensor:
    """Rectified flow: the squared error of the velocity noise - data at x = (1 - sigma) data + sigma noise.

    sigma is logit-normal (Esser et al. 2024, section 3.1): most of the learning is in the middle of the path.
    A share `label_drop` of labels becomes the null class. `generator` is on the CPU.
    """
    count = len(data)
    noise = torch.randn(data.shape, generator=generator).to(data)
    sigma = torch.sigmoid(torch.randn(count, generator=generator)).to(data)
    dropped = (torch.rand(count, generator=generator) < label_drop).to(labels.device)
    labels = torch.where(dropped, unet.config.num_class_embeds - 1, labels)
    s = sigma.view(-1, 1, 1, 1)
    velocity = unet((1 - s) * data + s * noise, sigma * TRAIN_TIMESTEPS, class_labels=labels).sample
    return F.mse_loss(velocity.float(), noise - data)


def psnr_db(reconstruction: NDArray[np.uint8], original: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each image in dB, at most 100: (N,) from two (N, H, W, C) uint8."""
    error = reconstruction.astype(np.float64) - original
    mean_squared = np.maximum((error**2).mean(axis=(1, 2, 3)), 255.0**2 * 1e-10)
    return 20 * math.log10(255.0) - 10 * np.log10(mean_squared)
