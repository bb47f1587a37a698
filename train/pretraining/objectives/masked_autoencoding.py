"""Masked autoencoding: the encoder gets some patches, a decoder predicts the pixels of the others.

He et al. 2021, arXiv:2111.06377. Decoder, targets and loss are those of `ViTMAEForPreTraining`.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import ViTMAEForPreTrainingOutput, ViTMAEModelOutput

from curation.errors import BadInput
from train.pretraining.batch import TrainingBatch, choose_masked
from train.pretraining.masked_autoencoder import sine_positions
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objective_table import MaskedAutoencoding as Config
from train.pretraining.trained_encoder import TrainedEncoder

NETWORKS = ("vit", "dinov2", "dinov2_with_registers", "vit_mae")


class VisibleTokens(nn.Module):
    """An encoder that gets the patches which are not masked, in place of the encoder of ViTMAE."""

    def __init__(self, encoder: TrainedEncoder, mask_ratio: float) -> None:
        super().__init__()
        self.encoder, self.mask_ratio = encoder, mask_ratio

    def forward(self, pixel_values: Tensor, noise: Tensor, **_: Any) -> ViTMAEModelOutput:
        """Encode the class token and the patches of the lowest noise (B, T)."""
        network = self.encoder.network
        hidden = embed_patches(network, pixel_values)  # (B, K + T, D)
        num_prefix = hidden.shape[1] - noise.shape[1]
        prefix, patches = hidden[:, :num_prefix], hidden[:, num_prefix:]
        order = noise.argsort(dim=1)
        kept = order[:, : int(noise.shape[1] * (1 - self.mask_ratio)), None].expand(-1, -1, hidden.shape[2])
        visible = torch.cat([prefix, patches.gather(1, kept)], dim=1)
        for layer in find_layers(network):
            visible = layer(visible)
        visible = network.layernorm(visible)
        without_registers = torch.cat([visible[:, :1], visible[:, num_prefix:]], dim=1)
        mask = choose_masked(noise, self.mask_ratio).to(hidden.dtype)
        return ViTMAEModelOutput(last_hidden_state=without_registers, mask=mask, ids_restore=order.argsort(dim=1))


class MaskedAutoencodingModel(ObjectiveModel):
    """The autoencoder of transformers around a given encoder; the decoder starts from random weights."""

    def __init__(self, encoder: TrainedEncoder, settings: Config) -> None:
        super().__init__()
        config = ViTMAEConfig(
            image_size=encoder.side,
            patch_size=encoder.cell_size,
            num_channels=encoder.backbone.preprocessing.num_channels,
            hidden_size=encoder.token_size,
            num_hidden_layers=1,  # of an encoder that is replaced
            num_attention_heads=1,
            intermediate_size=1,
            decoder_hidden_size=settings.decoder_hidden_size,
            decoder_num_hidden_layers=settings.decoder_num_layers,
            decoder_num_attention_heads=4,
            decoder_intermediate_size=4 * settings.decoder_hidden_size,
            norm_pix_loss=settings.normalized_targets,
        )
        self.autoencoder = ViTMAEForPreTraining(config)
        self.autoencoder.vit = VisibleTokens(encoder, settings.mask_ratio)
        positions = sine_positions(encoder.side // encoder.cell_size, settings.decoder_hidden_size)
        with torch.no_grad():
            self.autoencoder.decoder.decoder_pos_embed.copy_(positions)

    @property
    def encoder(self) -> TrainedEncoder:  # type: ignore[override]
        """The encoder that trains."""
        return self.autoencoder.vit.encoder

    def forward(self, images: Tensor, noise: Tensor) -> ViTMAEForPreTrainingOutput:
        """Reconstruct (B, C, H, W) from the patches of the lowest noise (B, T)."""
        return self.autoencoder(images, noise=noise)


def make_model(encoder: TrainedEncoder, settings: Config, context: FitContext) -> MaskedAutoencodingModel:
    """Put a decoder behind the encoder; raises BadInput for a network that cannot leave patches out."""
    network = encoder.network
    if network.config.model_type not in NETWORKS:
        raise BadInput(
            f"masked-autoencoding leaves patches out, which {type(network).__name__} cannot. It takes "
            f"{', '.join(NETWORKS)}; for others choose simmim."
        )
    kept = int(encoder.num_cells * (1 - settings.mask_ratio))
    if not 0 < kept < encoder.num_cells:
        raise BadInput(
            f"mask_ratio {settings.mask_ratio:g} of {encoder.num_cells} patches hides all or none of them. Change it, "
            "or raise input_size."
        )
    return MaskedAutoencodingModel(encoder, settings)


def loss(model: MaskedAutoencodingModel | ViTMAEForPreTraining, batch: TrainingBatch) -> Tensor:
    """Compute the squared error of the masked patches, each with its own mean and deviation removed."""
    batch.require(Config.needs, Config.kind_name())
    error: Tensor = model(batch.images, noise=batch.noise).loss
    return error


def embed_patches(network: PreTrainedModel, inputs: Tensor) -> Tensor:
    """Embed inputs (B, C, H, W) with their positions: class token and registers first, then the patches (B, K + T, D).

    The embedding of ViTMAE shuffles patches by noise; rising noise leaves them in place.
    """
    if network.config.model_type != "vit_mae":
        options = {"interpolate_pos_encoding": True} if network.config.model_type == "vit" else {}
        embedded: Tensor = network.embeddings(inputs, **options)
        return embedded
    num_patches = (inputs.shape[2] // network.config.patch_size) * (inputs.shape[3] // network.config.patch_size)
    rising = torch.arange(num_patches, device=inputs.device, dtype=inputs.dtype).expand(len(inputs), -1)
    embedded, _, _ = network.embeddings(inputs, noise=rising, interpolate_pos_encoding=True)
    return embedded


def find_layers(network: PreTrainedModel) -> Iterable[nn.Module]:
    """The layers of the encoder, in order."""
    layers: Iterable[nn.Module] = network.encoder.layer if hasattr(network, "encoder") else network.layers
    return layers
