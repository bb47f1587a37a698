"""An objective plus the distance to the features that its fit starts from."""

from torch import Tensor

from train.backbones.load import Backbone
from train.fitting.kept_weights import KeptWeights
from train.pretraining.batch import BatchShape, TrainingBatch
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objectives.feature_distillation import FeatureTarget
from train.pretraining.objectives.implementation import Loss
from train.pretraining.trained_encoder import TrainedEncoder

NEEDS = ("images",)  # beside those of the objective


class AnchoredModel(ObjectiveModel):
    """The model of an objective beside the frozen backbone that it starts from."""

    def __init__(self, inner: ObjectiveModel, start: Backbone, loss: Loss, weight: float, context: FitContext) -> None:
        super().__init__()
        self.inner, self.inner_loss, self.weight = inner, loss, weight
        self.target = FeatureTarget(start, inner.encoder, context.sample)

    @property
    def encoder(self) -> TrainedEncoder:  # type: ignore[override]
        """The encoder that trains."""
        return self.inner.encoder

    @property
    def batch_shape(self) -> BatchShape:
        """That of the objective."""
        return self.inner.batch_shape

    def kept_weights(self, steps: int) -> KeptWeights:
        """Those of the objective."""
        return self.inner.kept_weights(steps)


def loss(model: AnchoredModel, batch: TrainingBatch) -> Tensor:
    """Add the weighted distance to the loss of the objective."""
    batch.require(NEEDS, "an anchor")
    distance = model.target(model.encoder.tokens(batch.images), batch.images)
    return model.inner_loss(model.inner, batch) + model.weight * distance
