"""Free text that describes a picture: cleaned, cut, refused where it names the patient."""

from collections.abc import Iterable

from curation.errors import BadInput
from curation.provenance.written_names import compose

LONGEST = 4_000
CUT = f"the caption had more than {LONGEST} characters and was cut there"
NOT_CHECKED = "the caption is kept as it is written; whether it names anybody was not checked"
LONG_NAME = 6  # letters and digits; a text of a header as long as that stands in no caption by chance


def clean_caption(text: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Bring a caption to one line in composed form, at most LONGEST characters; an empty one is none.

    Returns it, and what the report says of it.
    """
    caption = compose(" ".join((text or "").split()))
    if len(caption) <= LONGEST:
        return caption or None, ()
    return caption[:LONGEST].rstrip(), (CUT,)


def refuse_identifying(caption: str | None, identifying: Iterable[str]) -> None:
    """Raise BadInput where a caption holds a text of the header that identifies somebody, as a word or a long text.

    `identifying` are folded to letters and digits in lower case.
    """
    words = ["".join(filter(str.isalnum, word)) for word in (caption or "").casefold().split()]
    whole = "".join(words)
    if any(text in words or (len(text) >= LONG_NAME and text in whole) for text in identifying):
        raise BadInput("its caption names the patient or the study. Take that out of the column of captions")
