"""The rows of full and partial fine-tuning. Torch-free."""

from typing import Literal

from train.adaptation.rows.row import WEIGHTS, Adaptation, MethodConfig, NumberRange, method_of


class Full(MethodConfig):
    """Every weight of the encoder and the head."""

    kind: Literal["full"] = "full"
    row = Adaptation(
        "full", WEIGHTS, "Every weight of the encoder and the head", "every encoder",
        "Kumar et al. 2022, arXiv:2202.10054 (from the fitted head)", 1e-4, "weights", {"choose": "every_weight"},
    )  # fmt: skip


ROWS: tuple[type[MethodConfig], ...] = (
    Full,
    method_of(
        Adaptation(
            "last-blocks", WEIGHTS, "The last blocks and the head; the blocks before stay as they are",
            "encoders of blocks", "Yosinski et al. 2014, arXiv:1411.1792", 1e-4, "weights",
            {"choose": "last_blocks"}, {"count": (1, 2, 4)},
        ),
        count=1,
    ),
    method_of(
        Adaptation(
            "layer-decay", WEIGHTS, "Every weight, the learning rate lower block by block towards the input",
            "encoders of blocks", "Clark et al. 2020, arXiv:2003.10555; Bao et al. 2021, arXiv:2106.08254", 2e-4,
            "weights", {"choose": "every_weight", "rates": "by_block"}, {"factor": NumberRange(0.5, 0.95, log=False)},
        ),
        factor=0.75,
    ),
    method_of(
        Adaptation(
            "norms", WEIGHTS, "The scales and shifts of the normalisations, and the head", "encoders that normalise",
            "Frankle et al. 2020, arXiv:2003.00152", 1e-3, "weights", {"choose": "norms"},
        )
    ),
    method_of(
        Adaptation(
            "bitfit", WEIGHTS, "The biases and the head", "encoders with biases", "Zaken et al. 2021, arXiv:2106.10199",
            1e-3, "weights", {"choose": "biases"},
        )
    ),
)  # fmt: skip
