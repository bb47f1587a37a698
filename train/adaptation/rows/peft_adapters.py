"""The rows of the adapters of peft. Torch-free.

`config` is peft's configuration class, `settings` says what it calls ours, `fixed` is passed as it is. `targets` names
the function that finds the layers: the linear ones of the attention, else all linear ones, else convolutions where peft
can.
"""

from typing import Any, Literal

from pydantic import Field

from train.adaptation.rows.row import PEFT, Adaptation, MethodConfig, method_of

LINEAR = "encoders with linear layers"
LINEAR_OR_CONVOLUTIONS = "encoders with linear layers or convolutions"
ALSO_CONVOLUTIONS = {"applies_to": LINEAR_OR_CONVOLUTIONS, "targets": "linear_layers_or_convolutions"}
RANKS: dict[str, tuple[float, ...]] = {"rank": (2, 4, 8, 16)}
RANK_AND_ALPHA = {"rank": "r", "alpha": "lora_alpha"}


class Lora(MethodConfig):
    """Low-rank updates of the attention's linear layers (Hu et al. 2021, arXiv:2106.09685)."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(default=8, ge=1)
    alpha: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    row = Adaptation(
        "lora", PEFT, "Low-rank updates of weights", LINEAR_OR_CONVOLUTIONS, "Hu et al. 2021, arXiv:2106.09685", 1e-3,
        "peft_family",
        {
            "config": "LoraConfig",
            "settings": {**RANK_AND_ALPHA, "dropout": "lora_dropout"},
            "targets": ALSO_CONVOLUTIONS["targets"],
        },
        tuned=RANKS,
        always_saved=True,  # release 0.1 saved these entries for every method, and its digests must not change
    )  # fmt: skip


def _peft(
    name: str,
    summary: str,
    paper: str,
    config: str,
    *,
    rate: float = 1e-3,
    settings: dict[str, tuple[str, int | float]] | None = None,
    applies_to: str = LINEAR,
    targets: str = "linear_layers",
    module: str = "peft_family",
    **options: Any,
) -> type[MethodConfig]:
    """Make a row; `settings` maps a name of ours to that of peft and its default."""
    settings = settings or {}
    options |= {"config": config, "targets": targets}
    options |= {"settings": {ours: theirs for ours, (theirs, _) in settings.items()}}
    tuned = RANKS if "rank" in settings else {}
    row = Adaptation(name, PEFT, summary, applies_to, paper, rate, module, options, tuned)
    return method_of(row, **{ours: default for ours, (_, default) in settings.items()})


RANK_8: dict[str, tuple[str, int | float]] = {"rank": ("r", 8)}
AS_LORA: dict[str, tuple[str, int | float]] = {"rank": ("r", 8), "alpha": ("lora_alpha", 16)}

ROWS: tuple[type[MethodConfig], ...] = (
    Lora,
    _peft("dora", "LoRA with the length of every weight apart from its direction", "Liu et al. 2024, arXiv:2402.09353",
          "LoraConfig", settings=AS_LORA, fixed={"use_dora": True}, **ALSO_CONVOLUTIONS),
    _peft("rslora", "LoRA scaled by the root of its rank", "Kalajdzievski 2023, arXiv:2312.03732",
          "LoraConfig", settings=AS_LORA, fixed={"use_rslora": True},
          **ALSO_CONVOLUTIONS),
    _peft("pissa", "LoRA that starts from the largest singular directions of the weights",
          "Meng et al. 2024, arXiv:2404.02948", "LoraConfig", settings=AS_LORA,
          fixed={"init_lora_weights": "pissa"}, changes_base=True),
    _peft("olora", "LoRA that starts from an orthonormal factor of the weights", "Büyükakyüz 2024, arXiv:2406.01775",
          "LoraConfig", settings=AS_LORA, fixed={"init_lora_weights": "olora"}, changes_base=True),
    _peft("adalora", "LoRA that moves its ranks to the layers that need them", "Zhang et al. 2023, arXiv:2303.10512",
          "AdaLoraConfig", settings={"rank": ("target_r", 8), "first_rank": ("init_r", 12)}, module="adalora",
          fixed={"total_step": 1_000}),
    _peft("ia3", "Scales of keys, values and inner activations", "Liu et al. 2022, arXiv:2205.05638", "IA3Config",
          rate=1e-2, fixed={"feedforward_modules": []}, **ALSO_CONVOLUTIONS),
    _peft("vera", "Scales of random projections that all layers share", "Kopiczko et al. 2023, arXiv:2310.11454",
          "VeraConfig", rate=1e-2, settings={"projections": ("r", 64)}),
    _peft("pvera", "VeRA with projections drawn anew at each step", "arXiv:2512.07703",
          "PveraConfig", rate=1e-2, settings={"projections": ("r", 64)}),
    _peft("loha", "Products of two low-rank updates", "Hyeon-Woo et al. 2021, arXiv:2108.06098", "LoHaConfig",
          settings=RANK_8, **ALSO_CONVOLUTIONS),
    _peft("lokr", "Kronecker products of small updates", "Yeh et al. 2023, arXiv:2309.14859", "LoKrConfig",
          settings=RANK_8, **ALSO_CONVOLUTIONS),
    _peft("oft", "Rotations of the weights, in blocks", "Qiu et al. 2023, arXiv:2306.07280", "OFTConfig",
          settings={"block": ("oft_block_size", 16)}, fixed={"r": 0}),
    _peft("boft", "Rotations of the weights as a butterfly of blocks", "Liu et al. 2023, arXiv:2311.06243",
          "BOFTConfig", settings={"block": ("boft_block_size", 4)}),
    _peft("hra", "Rotations of the weights as a chain of reflections", "Yuan et al. 2024, arXiv:2405.17484",
          "HRAConfig", settings=RANK_8, **ALSO_CONVOLUTIONS),
    _peft("fourierft", "Updates with few entries in the Fourier domain", "Gao et al. 2024, arXiv:2405.03003",
          "FourierFTConfig", rate=1e-2, settings={"frequencies": ("n_frequency", 256)},
          fixed={"scaling": 25.0, "random_loc_seed": 777}),
    _peft("waveft", "Updates with few entries in the wavelet domain", "Bilican et al. 2025, arXiv:2505.12532",
          "WaveFTConfig", rate=1e-2, settings={"frequencies": ("n_frequency", 256)}),
    _peft("ln-tuning", "The layer normalisations", "Zhao et al. 2023, arXiv:2312.11420", "LNTuningConfig",
          targets="layer_normalisations", applies_to="encoders with layer normalisations"),
    _peft("randlora", "Full-rank updates from random bases with trained scales", "Albert et al. 2025, arXiv:2502.00987",
          "RandLoraConfig", settings=RANK_8),
    _peft("miss", "Updates that repeat one small matrix over shards", "Kang & Yin 2024, arXiv:2409.15371",
          "MissConfig", settings=RANK_8),
    _peft("shira", "Few single entries of the weights, chosen at random", "Bhardwaj et al. 2024, arXiv:2406.13175",
          "ShiraConfig", settings=RANK_8, fixed={"random_seed": 0}),
    _peft("vblora", "LoRA composed from one bank of vectors", "Li et al. 2024, arXiv:2405.15179", "VBLoRAConfig",
          rate=1e-2, settings={"rank": ("r", 4), "vectors": ("num_vectors", 64), "length": ("vector_length", 16)}),
    _peft("gralora", "LoRA of the blocks of a weight", "Jung et al. 2025, arXiv:2505.20355", "GraloraConfig",
          settings={"rank": ("r", 8), "blocks": ("gralora_k", 2), "alpha": ("alpha", 16)}),
    _peft("c3a", "Circular convolutions of blocks", "Chen et al. 2024, arXiv:2407.19342", "C3AConfig",
          settings={"block": ("block_size", 16)}),
    _peft("osf", "All weights but their largest singular directions", "Nayak et al. 2025, arXiv:2504.07097",
          "OSFConfig", rate=1e-4, settings={"kept": ("effective_rank", 0.5)}, changes_base=True),
    _peft("road", "Rotations of pairs of features", "Liao & Monz 2024, arXiv:2409.00119", "RoadConfig", rate=1e-2,
          settings={"group": ("group_size", 16)}),
    _peft("beft", "Biases of the linear layers", "arXiv:2509.15974", "BeftConfig", rate=1e-2),
    _peft("delora", "LoRA of bounded length", "Bini et al. 2025, arXiv:2503.18225", "DeloraConfig",
          settings=RANK_8),
    _peft("glora", "Weight, feature and bias updates of low rank", "Chavan et al. 2023, arXiv:2306.07967",
          "GloraConfig", settings=RANK_8),
    _peft("hira", "Low-rank updates multiplied with the weights", "Huang et al. 2025, openreview:TwJrTz9cRS",
          "HiraConfig", settings=RANK_8),
    _peft("peanut", "Updates computed from the weights by small networks", "Zhong et al. 2024, arXiv:2410.01870",
          "PeanutConfig", settings=RANK_8),
    _peft("tinylora", "A few numbers over singular directions of the weights", "arXiv:2602.04118",
          "TinyLoraConfig", rate=1e-2, settings={"numbers": ("u", 64)}),
    _peft("unilora", "LoRA projected from one short vector", "arXiv:2506.00799", "UniLoraConfig",
          rate=1e-2, settings={"rank": ("r", 4), "length": ("theta_d_length", 256)}),
    _peft("lily", "Low-rank updates whose halves layers share", "Zhong et al. 2024, arXiv:2407.09946", "LilyConfig",
          settings=RANK_8),
    _peft("deft", "Parts of the weights taken out by a projection and others put in",
          "Kumar et al. 2025, arXiv:2509.22793", "DeftConfig", settings=RANK_8),
    _peft("frod", "Rotations with few entries in a basis that all layers share", "doi:10.1609/aaai.v40i31.39813",
          "FrodConfig", settings={"density": ("sparse_rate", 0.01)}, fixed={"progressbar": False}),
    _peft("adamss", "Low-rank updates in clusters of the singular directions",
          "Zheng et al. 2025, doi:10.52202/085713-0664", "AdamssConfig",
          settings={"directions": ("r", 16), "clusters": ("num_subspaces", 4), "width": ("subspace_rank", 1)}),
    _peft("psoft", "Rotations within the largest singular directions", "openreview:FSHrinMArK",
          "PsoftConfig", settings={"rank": ("r", 8), "alpha": ("psoft_alpha", 8)}),
    _peft("supertuning", "The single entries of the weights that are largest", "arXiv:2607.09287",
          "SupertuningConfig", settings={"sparsity": ("sparsity", 0.99)}),
)  # fmt: skip
