"""Labels and a self-supervised objective on the same batch: cross-entropy plus a weighted loss.

As S4L (Zhai et al. 2019, arXiv:1905.03670, equation 1). The weight is chosen on validation by the caller.
"""

from torch import Tensor, nn
from torch.nn import functional

from train.fitting.kept_weights import KeptWeights
from train.pretraining.batch import BatchShape, TrainingBatch
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objective_table import Hybrid as Config
from train.pretraining.objectives.implementation import find_objective
from train.pretraining.trained_encoder import TrainedEncoder


class HybridModel(ObjectiveModel):
    """The model of the self-supervised objective with a linear head for the labels."""

    def __init__(self, inner: ObjectiveModel, settings: Config, n_classes: int) -> None:
        super().__init__()
        self.inner, self.settings = inner, settings
        self.head = nn.Linear(inner.encoder.backbone.dimension, n_classes)

    @property
    def encoder(self) -> TrainedEncoder:  # type: ignore[override]
        """The encoder that trains."""
        return self.inner.encoder

    @property
    def batch_shape(self) -> BatchShape:
        """That of the self-supervised objective."""
        return self.inner.batch_shape

    def kept_weights(self, steps: int) -> KeptWeights:
        """Those of the self-supervised objective."""
        return self.inner.kept_weights(steps)


def make_model(encoder: TrainedEncoder, settings: Config, context: FitContext) -> HybridModel:
    """Make the model of the self-supervised objective, and a head."""
    inner = find_objective(settings.self_supervised).make_model(encoder, settings.self_supervised, context)
    return HybridModel(inner, settings, context.n_classes)


def loss(model: HybridModel, batch: TrainingBatch) -> Tensor:
    """Add the weighted self-supervised loss to the cross-entropy of the labels."""
    batch.require(model.settings.batch_needs(), Config.kind_name())
    supervised = functional.cross_entropy(model.head(model.encoder(batch.images)), batch.labels)
    [weight] = model.settings.weights
    return supervised + weight * find_objective(model.settings.self_supervised).loss(model.inner, batch)
