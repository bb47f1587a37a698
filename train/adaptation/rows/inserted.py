"""The rows of prompts and adapters that peft lacks. Torch-free."""

from train.adaptation.rows.row import INSERTED, Adaptation, MethodConfig, method_of

TRANSFORMERS = "transformers with patch tokens"
LEVELS = "networks of feature maps"
TOKENS: dict[str, tuple[float, ...]] = {"tokens": (4, 8, 16)}
WIDTHS: dict[str, tuple[float, ...]] = {"width": (8, 16, 32)}

ROWS: tuple[type[MethodConfig], ...] = (
    method_of(
        Adaptation(
            "prompts", INSERTED, "Learned tokens beside those of the patches", TRANSFORMERS,
            "Jia et al. 2022, arXiv:2203.12119 (shallow)", 1e-2, "inserted_family", {"insert": "shallow_prompts"},
            TOKENS,
        ),
        tokens=8,
    ),
    method_of(
        Adaptation(
            "deep-prompts", INSERTED, "Learned tokens, others in every block", TRANSFORMERS,
            "Jia et al. 2022, arXiv:2203.12119 (deep)", 1e-2, "inserted_family", {"insert": "deep_prompts"}, TOKENS,
        ),
        tokens=8,
    ),
    method_of(
        Adaptation(
            "adaptformer", INSERTED, "Bottlenecks beside the multilayer perceptrons", TRANSFORMERS,
            "Chen et al. 2022, arXiv:2205.13535", 1e-3, "inserted_family", {"insert": "bottlenecks"}, WIDTHS,
        ),
        width=16,
    ),
    method_of(
        Adaptation(
            "ssf", INSERTED, "A scale and a shift behind every linear layer, convolution and normalisation",
            "every encoder", "Lian et al. 2022, arXiv:2210.08823", 1e-2, "inserted_family",
            {"insert": "scales_and_shifts"},
        )
    ),
    method_of(
        Adaptation(
            "conv-adapter", INSERTED, "Bottlenecks of a depthwise convolution beside every block of maps", LEVELS,
            "Chen et al. 2022, arXiv:2208.07463", 1e-3, "inserted_family", {"insert": "convolution_bottlenecks"},
            WIDTHS,
        ),
        width=8,
    ),
)  # fmt: skip
