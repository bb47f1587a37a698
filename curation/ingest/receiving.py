"""Store the pictures of a source in threads, in order, with few in memory at once."""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from curation.digests import digest_of
from curation.errors import BadInput
from curation.image_store import ImageStore, pixel_sha256
from curation.ingest.arrival import Arrival, Labels
from curation.ingest.captions import NOT_CHECKED, clean_caption
from curation.ingest.formats.png_files import encode_png_fast
from curation.ingest.in_threads import map_in_threads
from curation.ingest.incoming import IncomingImage, Part, Rejected
from curation.ingest.names import fold
from curation.ingest.preparing import check_not_blank
from curation.ingest.pseudonyms import Pseudonyms
from curation.near_copies.fingerprints import small_gray
from curation.provenance.written_names import compose

NO_NAME = (
    "the subject is called NA, None, unknown or the like, and counts as one patient of that name; leave it empty if it "
    "means that the patient is not known"
)
_NO_NAMES = frozenset(
    [
        "na",
        "n/a",
        "#n/a",
        "<na>",
        "nan",
        "none",
        "null",
        "nil",
        "unknown",
        "anonymous",
        "anonymized",
        "anonymised",
        "-",
        "?",
    ]  # as spreadsheets write it
)


@dataclass(frozen=True, slots=True)
class Reception:
    """Stores pictures. Without a `store` nothing is kept; `names` are the pseudonyms for private sources.

    A subject that was bound into another arrives as that one: `aliases` has the keys.
    """

    store: ImageStore | None
    digest: str
    names: Pseudonyms | None
    aliases: Mapping[str, str] = field(default_factory=dict)

    def receive(self, parts: Iterable[Part]) -> Iterator[tuple[int, list[Arrival | Rejected]]]:
        """Yield the arrivals and refusals of each part in the order of the source, and how many parts are done."""
        yield from enumerate(map_in_threads(self._receive_part, parts, "import"), 1)

    def _receive_part(self, part: Part) -> list[Arrival | Rejected]:
        items = part() if callable(part) else [part]
        return [item if isinstance(item, Rejected) else self._arrival(item) for item in items]

    def _arrival(self, item: IncomingImage) -> Arrival | Rejected:
        try:
            return self._store(item)
        except BadInput as error:
            return Rejected.because(item.source_file, error)

    def _store(self, item: IncomingImage) -> Arrival:
        labels = _check_labels(item.labels)
        _check_subject(item.subject_key)
        caption, remarks = clean_caption(item.caption)
        low, high = check_not_blank(item.pixels)
        height, width, channels = item.pixels.shape
        is_no_name = item.subject_key is not None and fold(item.subject_key.strip()) in _NO_NAMES
        return Arrival(
            source_file=item.source_file,
            labels=labels,
            subject_key=self._subject_key(item),
            subject_known=item.subject_key is not None,
            split=item.split,
            pixel_sha256=pixel_sha256(item.pixels),
            file_sha256=self._put(item.png or encode_png_fast(item.pixels)),
            shape=(height, width, channels),
            bits=item.pixels.dtype.itemsize * 8,
            levels=(low, high),
            geometry=item.geometry,
            masks={name: self._put(encode_png_fast(mask[:, :, None])) for name, mask in item.masks.items()},
            covariates=item.covariates,
            kept_as=self.names.file(item.source_file) if self.names else item.source_file,
            burnt_in=item.burnt_in,
            notes=(
                *item.notes,
                *remarks,
                *((NOT_CHECKED,) if caption and self.names else ()),
                *((NO_NAME,) if is_no_name else ()),
            ),
            caption=caption,
            small=small_gray(item.pixels[None]),
        )

    def _put(self, png: bytes) -> str:
        return self.store.put(png) if self.store else ""

    def _subject_key(self, item: IncomingImage) -> str:
        key = self._own_key(item)
        return self.aliases.get(key, key)

    def _own_key(self, item: IncomingImage) -> str:
        if item.subject_key is not None:
            return self.names.subject(item.subject_key) if self.names else compose(item.subject_key.strip()).strip()
        shared = item.group or item.source_file
        if self.names:
            return self.names.lone_subject(f"{self.digest}\0{shared}")
        return f"image-{digest_of([self.digest, shared])[:32]}"


def _check_subject(key: str | None) -> None:
    """Raise BadInput for the name of a subject that is empty, too long or no text; the message does not quote it."""
    if key is None:
        return
    length = len(compose(key.strip()).strip())
    if not 0 < length <= 200:
        raise BadInput(f"expected a subject of 1 to 200 characters, got one of {length}")
    if _has_controls(key):
        raise BadInput("its subject holds a control character: expected a text")


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text.strip())


def _check_labels(labels: str | Mapping[str, float]) -> Labels:
    """Check labels and sort them by name; raises BadInput for a name or a value that is not allowed."""
    by_name = {labels: 1.0} if isinstance(labels, str) else labels
    if not by_name:
        raise BadInput("no label")
    stripped: dict[str, float] = {}
    for written, value in by_name.items():
        name = compose(written.strip()).strip()
        if _has_controls(name):
            raise BadInput(f"its label {name[:120]!r} holds a control character: expected a text")
        stripped[name] = max(float(value), stripped.get(name, float(value)))
    for name, value in stripped.items():
        if not 0 < len(name) <= 100:
            raise BadInput(f"expected a label of 1 to 100 characters, got {name[:120]!r}")
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise BadInput(f"expected 0, 1 or a probability for the label {name!r}, got {value:g}")
    return tuple(sorted(stripped.items()))
