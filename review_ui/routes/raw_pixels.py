"""Pixels as they are sent to a browser: size and time depend on the shape alone.

A noisy picture takes longer to decode than a smooth one, which would tell real from synthetic: the answer waits until a
time that no decoding reaches.
"""

import time

from starlette.responses import Response

from curation.image_store import ImageStore

PIXELS_AFTER_S = 0.01
PIXELS_AFTER_S_PER_BYTE = 2e-8


def raw_pixels(store: ImageStore, digest: str, started: float) -> Response:
    """Height x width x channels values, little-endian, nothing else; `started` is when the request came."""
    pixels = store.pixels(digest)
    content = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    wait_until(started + PIXELS_AFTER_S + len(content) * PIXELS_AFTER_S_PER_BYTE)
    return Response(content, media_type="application/octet-stream")


def wait_until(due: float) -> None:
    """In this thread of the pool: an event loop wakes up on whole milliseconds, which would tell what was waited."""
    time.sleep(max(0.0, due - time.perf_counter()))
