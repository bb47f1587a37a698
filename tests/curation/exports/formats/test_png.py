"""PNG files say what they are, and their pictures stay what they were."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from curation.errors import Damaged
from curation.exports.formats.png import stamp_png
from curation.image_store import decode_png, encode_png, pixel_sha256
from tests.builders import oval

words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=60)


@pytest.mark.slow
@given(words)
def test_pillow_reads_any_text_back_and_the_picture_is_the_same(text: str) -> None:
    content = encode_png(oval(1, 16))
    marked = stamp_png(content, {"Synthetic": "yes", "Notice": text})
    with PillowImage.open(io.BytesIO(marked)) as picture:
        picture.load()
        assert picture.text == {"Synthetic": "yes", "Notice": text}
    assert pixel_sha256(decode_png(marked)) == pixel_sha256(decode_png(content))


@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (16, 1), (8, 3)])
def test_every_depth_keeps_its_values(bits: int, channels: int) -> None:
    pixels = oval(2, 16, bits, channels)
    assert (decode_png(stamp_png(encode_png(pixels), {"Synthetic": "yes"})) == pixels).all()


def test_what_is_no_png_is_refused() -> None:
    with pytest.raises(Damaged, match="header"):
        stamp_png(b"GIF89a", {"Synthetic": "yes"})
