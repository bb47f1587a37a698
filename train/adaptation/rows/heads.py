"""The rows of heads on frozen features. Torch-free."""

from typing import Literal

from pydantic import Field

from train.adaptation.rows.row import HEADS, Adaptation, MethodConfig, method_of


class LinearProbe(MethodConfig):
    """A linear head on features of the frozen encoder."""

    kind: Literal["linear-probe"] = "linear-probe"
    row = Adaptation(
        "linear-probe", HEADS, "A linear head, trained by AdamW and stopped early on validation", "every encoder",
        "Alain & Bengio 2016, arXiv:1610.01644", 1e-2, "linear_probe", frozen_encoder=True,
    )  # fmt: skip


class Ridge(MethodConfig):
    """A linear head solved from sums over features of the frozen encoder, which stay with the run (docs/sums.md)."""

    kind: Literal["ridge"] = "ridge"
    penalty: float | None = Field(default=None, gt=0, description="unset: the one that suits validation")
    continues: str = Field(default="", description="the directory of the run whose sums these are added to")
    pooled: str = Field(default="", description="the file of sums that the run was solved from")
    row = Adaptation(
        "ridge", HEADS, "A linear head from sums that are added to, subtracted and merged exactly", "every encoder",
        "McDonnell et al. 2023, arXiv:2307.02251", 1e-2, "ridge", frozen_encoder=True, takes_steps=False, summed=True,
    )  # fmt: skip

    def earlier_run(self) -> str:
        """The directory of the run that this one continues; empty for none."""
        return self.continues


ROWS: tuple[type[MethodConfig], ...] = (
    LinearProbe,
    Ridge,
    method_of(
        Adaptation(
            "logistic", HEADS, "A linear head to its optimum, the penalty chosen on validation", "every encoder",
            "Kornblith et al. 2019, arXiv:1805.08974", 1e-2, "closed_heads", {"fit": "logistic"}, frozen_encoder=True,
            takes_steps=False,
        )
    ),
    method_of(
        Adaptation(
            "nearest-mean", HEADS, "The class whose mean feature is nearest, its sharpness chosen on validation",
            "every encoder", "Snell et al. 2017, arXiv:1703.05175", 1e-2, "closed_heads", {"fit": "nearest_mean"},
            frozen_encoder=True, takes_steps=False,
        )
    ),
)  # fmt: skip
