"""A file of sums that sites exchange, with its backbone and the parts it was merged from.

It holds no image, no vector of an image, no subject and no digest of either. Each part has an identity, so that none is
counted twice. Loading executes nothing. Torch-free.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from curation.digests import is_sha256
from curation.errors import BadInput, Conflict
from train.sums.files import read_tensors, write_tensors
from train.sums.privacy import Guarantee
from train.sums.sums import Sums

FORMAT = "rounds-sums/1"


@dataclass(frozen=True, slots=True)
class SitePart:
    """What was exported at once: by which run, the digest of that run, and how many images and subjects it sums.

    A private part says its guarantee instead of counts, which would tell who is in it.
    """

    identity: str
    run: str
    run_digest: str
    images: int | None
    subjects: int | None
    guarantee: Guarantee | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SiteSums:
    """Sums to exchange, with the digest and the name of their backbone."""

    sums: Sums
    backbone: str
    backbone_name: str
    parts: tuple[SitePart, ...]
    notices: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write the file; raises Conflict where there is one."""
        if path.exists():
            raise Conflict(f"{path} exists already. Choose a new file; nothing is overwritten.")
        about = {
            "format": FORMAT,
            "classes": list(self.sums.classes),
            "backbone": {"digest": self.backbone, "name": self.backbone_name},
            "parts": [asdict(part) for part in self.parts],
            "notices": list(self.notices),
        }
        write_tensors(path, {"gram": self.sums.gram, "cross": self.sums.cross}, about)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; raises BadInput where it is another or its entries do not fit together."""
        about, tensors = read_tensors(path, FORMAT)
        try:
            sums = Sums(tensors["gram"], tensors["cross"], tuple(map(str, about["classes"])))
            parts = tuple(_read_part(entry) for entry in about["parts"])
            backbone = about["backbone"]
            _check_digests(path, backbone["digest"], parts)
            site = cls(sums, str(backbone["digest"]), str(backbone["name"]), parts, tuple(map(str, about["notices"])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                f"{path}: expected a file of `rounds sums export`, got one whose entries do not fit."
            ) from error
        _check_shapes(path, sums)
        return site

    def plus(self, other: Self) -> Self:
        """Merge with the sums of another site.

        Raises Conflict for another backbone, and for a part that is in already.
        """
        self._refuse_other_backbone(other)
        twice = sorted({part.identity for part in self.parts} & {part.identity for part in other.parts})
        if twice:
            raise Conflict(
                f"the part {twice[0][:12]} is in both files: it would be counted twice. Leave one of them out."
            )
        parts = sorted({*self.parts, *other.parts}, key=lambda part: part.identity)
        notices = tuple(sorted({*self.notices, *other.notices}))
        sums = self.sums + other.sums
        ordered = sums.with_classes(sorted(sums.classes))
        return replace(self, sums=ordered, parts=tuple(parts), notices=notices)

    def minus(self, other: Self) -> Self:
        """Take the sums of another file out again.

        Raises Conflict where a part of it is not in.
        """
        self._refuse_other_backbone(other)
        leaving = {part.identity for part in other.parts}
        missing = sorted(leaving - {part.identity for part in self.parts})
        if missing:
            raise Conflict(f"the part {missing[0][:12]} is not in the sums, so it cannot be taken out of them.")
        parts = tuple(part for part in self.parts if part.identity not in leaving)
        return replace(self, sums=self.sums - other.sums, parts=parts)

    def _refuse_other_backbone(self, other: Self) -> None:
        if self.backbone != other.backbone:
            raise Conflict(
                f"expected sums of the backbone {self.backbone_name} ({self.backbone[:12]}), got sums of "
                f"{other.backbone_name} ({other.backbone[:12]}): features of two backbones cannot be added."
            )

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The guarantees of its private parts."""
        return tuple(part.guarantee for part in self.parts if part.guarantee is not None)


def identity_of(sums: Sums, run_digest: str) -> str:
    """Identify a part: by its numbers and the run that they are of."""
    digest = hashlib.sha256(f"{run_digest} {list(sums.classes)}".encode())
    digest.update(sums.gram.tobytes())
    digest.update(sums.cross.tobytes())
    return digest.hexdigest()


def _read_part(entry: dict[str, Any]) -> SitePart:
    guarantee = Guarantee(**entry["guarantee"]) if entry["guarantee"] else None
    return SitePart(**entry | {"guarantee": guarantee})


def _check_digests(path: Path, backbone: str, parts: tuple[SitePart, ...]) -> None:
    """Refuse what is no SHA-256: a part that is written otherwise would be counted twice."""
    named = [("the backbone", backbone)]
    for number, part in enumerate(parts, 1):
        named += [(f"part {number}", part.identity), (f"the run of part {number}", part.run_digest)]
    for what, digest in named:
        if not is_sha256(digest):
            raise BadInput(
                f"{path}: expected the digest of {what}, 64 digits of 0-9 and a-f, got {str(digest)[:70]!r}. Ask the "
                "site for another export."
            )


def _check_shapes(path: Path, sums: Sums) -> None:
    width = len(sums.gram)
    square = sums.gram.shape == (width, width) and sums.cross.shape == (width, len(sums.classes)) and width > 1
    numbers = sums.gram.dtype == sums.cross.dtype == np.float64
    if not (square and numbers and np.isfinite(sums.gram).all() and np.isfinite(sums.cross).all()):
        raise BadInput(
            f"{path}: expected G (D + 1, D + 1) and B (D + 1, {len(sums.classes)}) of finite numbers in double "
            f"precision, got {sums.gram.shape} and {sums.cross.shape} of {sums.gram.dtype}. Ask for another export."
        )
    if len(set(sums.classes)) != len(sums.classes):
        raise BadInput(f"{path}: a class stands twice. Ask the site for another export.")
