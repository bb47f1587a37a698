"""Bring a name that people and programs write differently to one form."""

import re
import unicodedata

# Of category Cf, as copies from pages and dialogs bring them; joiners (U+200C, U+200D) shape letters and stay.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")


def compose(name: str) -> str:
    """The name in Unicode's composed form (NFC), in which an accented letter is one character, without unseen marks."""
    return name if name.isascii() else unicodedata.normalize("NFC", _INVISIBLE.sub("", name))


def pasted(name: str) -> str:
    """A name that was typed or pasted, without the space and the unseen marks around and in it."""
    return compose(name.strip()).strip()
