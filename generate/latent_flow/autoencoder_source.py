"""A generator whose autoencoder another one takes over, with all that it saw. Torch-free."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from curation.errors import BadInput
from curation.provenance.seen import UNKNOWN, Seen
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder
from generate.latent_flow.recipe import AutoencoderRecipe, FitRecipe
from generate.registry import ANCESTOR_KEYS, check_generator

STRUCTURE = ("block_out_channels", "layers_per_block", "latent_channels")


@dataclass(frozen=True, slots=True)
class AutoencoderSource:
    """A finished generator: its name, its directory and its card, with every subject and image."""

    name: str
    directory: Path
    card: dict[str, Any]

    @classmethod
    def read(cls, directory: Path, name: str | None = None) -> Self:
        """Read the generator in `directory`, by its name in the project or that on its card.

        Raises what `check_generator` raises.
        """
        card = check_generator(directory)
        return cls(name or str(card["name"]), directory, card)

    @property
    def weights_digest(self) -> str:
        """The digest of its weights."""
        return str(self.card["digest"])

    @property
    def affected(self) -> list[str]:
        """The withdrawals that reach it."""
        return [f"{note}, through the autoencoder of {self.name}" for note in Tombstones.read(self.directory).notes]

    def as_ancestor(self) -> dict[str, Any]:
        """Describe it as the lineage of a snapshot describes the generators of its images: all it saw, in turn too."""
        fitted_on = self.card["fitted_on"]
        before = fitted_on.get("lineage", {}).get("generators", [])
        seen = Seen.by_generator(fitted_on)
        is_known = bool(seen.pixel_sha256) and not any(entry.get("provenance") == UNKNOWN for entry in before)
        return {
            "name": self.name,
            "weights_digest": self.weights_digest,
            "provenance": "known" if is_known else UNKNOWN,
            "subjects": sorted(seen.subjects),
            "pixel_sha256": sorted(seen.pixel_sha256),
            "ancestors": [{key: entry[key] for key in ANCESTOR_KEYS if key in entry} for entry in before],
        }

    def recipe_with(self, recipe: FitRecipe) -> FitRecipe:
        """Say in `recipe` how the autoencoder was fitted: what it says of one is not carried out."""
        saved = self.card.get("recipe", {}).get("autoencoder")
        fitted = AutoencoderRecipe.checked(**saved) if saved else recipe.autoencoder
        return recipe.model_copy(update={"autoencoder": fitted.model_copy(update=self._structure())})

    def refuse_other_images(self, folder: SnapshotFolder) -> None:
        """Raise BadInput where the autoencoder takes images of another number of channels."""
        ours, theirs = folder.shape[2], self._config()["image_channels"]
        if ours != theirs:
            raise BadInput(
                f"the autoencoder of {self.name!r} takes images of {theirs} channels, snapshot {folder.name!r} has "
                f"{ours}. Leave --autoencoder-from out, or name a generator of such images."
            )

    def _structure(self) -> dict[str, Any]:
        config = self._config()
        return {key: tuple(value) if isinstance(value := config[key], list) else value for key in STRUCTURE}

    def _config(self) -> dict[str, Any]:
        path = self.directory / "autoencoder" / "config.json"
        if not path.is_file():
            raise BadInput(f"{self.directory} has no autoencoder: expected {path.name} in its folder autoencoder.")
        config: dict[str, Any] = json.loads(path.read_text())
        return config
