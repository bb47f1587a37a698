"""What a claim tells the viewer of an image's values."""

from curation.reading.claims import _rescale
from curation.tables.images import Image


def test_the_rescale_that_the_viewer_gets_is_that_of_the_values_as_they_are_stored() -> None:
    image = Image(rescale_slope=2.0, rescale_intercept=-100.0, signed_offset=32_768)
    slope, intercept = _rescale(image)
    stored = 32_768 + 70
    assert stored * slope + intercept == 70 * 2 - 100
