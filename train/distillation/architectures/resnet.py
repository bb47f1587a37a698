"""A small ResNet of basic blocks; its first stage keeps the size of the map."""

from transformers import ResNetConfig, ResNetModel

from train.distillation.architecture_table import ResNet
from train.pretraining.masked_autoencoder import NUM_CHANNELS


def make_encoder(settings: ResNet, image_size: int, feature_pooling: str) -> ResNetModel:
    """Make the network with random weights."""
    return ResNetModel(
        ResNetConfig(
            num_channels=NUM_CHANNELS,
            embedding_size=settings.embedding_size,
            hidden_sizes=list(settings.hidden_sizes),
            depths=list(settings.depths),
            layer_type="basic",
            image_size=image_size,
            feature_pooling=feature_pooling,
        )
    )
