"""What a search of settings may choose from, as the row of a method declares it. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass

from train.adaptation.config import AdaptationConfig
from train.adaptation.rows.row import NumberRange

DECADE = 10.0  # the learning rate is sought this far below and above the default of the method
WEIGHT_DECAYS = NumberRange(1e-4, 1e-1)
SHARES = NumberRange(0.1, 0.9, log=False)
SearchSpace = Mapping[str, NumberRange | tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Search:
    """One search: the settings it starts from, and from what it chooses others."""

    config: AdaptationConfig
    space: SearchSpace

    def defaults(self) -> dict[str, float]:
        """The entries of the space as the configuration has them: these are the first try."""
        saved = self.config.model_dump(mode="json") | {"learning_rate": self.config.effective_learning_rate()}
        saved.setdefault("synthetic_share", 0.5)
        return {name: saved[name] for name in self.space}

    def with_entries(self, entries: Mapping[str, float]) -> AdaptationConfig:
        """The configuration with the entries of one try; raises BadInput where it cannot be used."""
        return AdaptationConfig.checked(**self.config.model_dump(mode="json") | dict(entries))


def space_of(config: AdaptationConfig) -> SearchSpace:
    """What is searched for a method; nothing where it finds its own settings on validation."""
    method = config.method
    if not method.row.takes_steps:
        return {}
    rate = method.row.learning_rate
    return {
        "learning_rate": NumberRange(rate / DECADE, rate * DECADE),
        "weight_decay": WEIGHT_DECAYS,
        **{method.prefix() + name: values for name, values in method.row.tuned.items()},
    }
