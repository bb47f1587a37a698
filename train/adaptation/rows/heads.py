"""The rows of heads on frozen features. Torch-free."""

from typing import Literal

from train.adaptation.rows.row import HEADS, Adaptation, MethodConfig, method_of


class LinearProbe(MethodConfig):
    """A linear head on features of the frozen encoder."""

    kind: Literal["linear-probe"] = "linear-probe"
    row = Adaptation(
        "linear-probe", HEADS, "A linear head, trained by AdamW and stopped early on validation", "every encoder",
        "Alain & Bengio 2016, arXiv:1610.01644", 1e-2, "linear_probe", frozen_encoder=True,
    )  # fmt: skip


ROWS: tuple[type[MethodConfig], ...] = (
    LinearProbe,
    method_of(
        Adaptation(
            "logistic", HEADS, "A linear head to its optimum, the penalty chosen on validation", "every encoder",
            "Kornblith et al. 2019, arXiv:1805.08974", 1e-2, "closed_heads", {"fit": "logistic"}, frozen_encoder=True,
        )
    ),
    method_of(
        Adaptation(
            "nearest-mean", HEADS, "The class whose mean feature is nearest, its sharpness chosen on validation",
            "every encoder", "Snell et al. 2017, arXiv:1703.05175", 1e-2, "closed_heads", {"fit": "nearest_mean"},
            frozen_encoder=True,
        )
    ),
)  # fmt: skip
