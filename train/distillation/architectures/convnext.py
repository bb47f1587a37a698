"""A small ConvNeXt."""

from transformers import ConvNextConfig, ConvNextModel

from train.distillation.architecture_table import ConvNext
from train.pretraining.masked_autoencoder import NUM_CHANNELS


def make_encoder(settings: ConvNext, image_size: int, feature_pooling: str) -> ConvNextModel:
    """Make the network with random weights."""
    return ConvNextModel(
        ConvNextConfig(
            num_channels=NUM_CHANNELS,
            patch_size=settings.patch_size,
            num_stages=len(settings.depths),
            hidden_sizes=list(settings.hidden_sizes),
            depths=list(settings.depths),
            layer_scale_init_value=settings.layer_scale,
            image_size=image_size,
            feature_pooling=feature_pooling,
        )
    )
