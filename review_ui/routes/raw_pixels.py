"""Send pixels to a browser so that size and time depend on the shape alone.

A noisy image takes longer to decode than a smooth one, which would tell real from synthetic. So the response waits
until a time that no decoding reaches.
"""

import time

from starlette.responses import Response

from curation.image_store import ImageStore

PIXELS_AFTER_S = 0.01
PIXELS_AFTER_S_PER_BYTE = 2e-8


def raw_pixels(store: ImageStore, digest: str, started: float) -> Response:
    """Respond with height x width x channels values, little-endian; `started` is the time of the request."""
    pixels = store.pixels(digest)
    content = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    wait_until(started + PIXELS_AFTER_S + len(content) * PIXELS_AFTER_S_PER_BYTE)
    return Response(content, media_type="application/octet-stream")


def wait_until(due: float) -> None:
    """Wait in this thread: an event loop wakes on whole milliseconds, which would reveal the waiting time."""
    time.sleep(max(0.0, due - time.perf_counter()))
