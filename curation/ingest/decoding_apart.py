"""Decode in a process of its own what only GDCM decodes: on a damaged file it may abort, and take its process along.

Seen with mutated files: GDCM aborted on one of 2,000. The other decoders answered 4,000 such files with an error or a
picture, so they stay in this process, which is faster.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.decoders.base import get_decoder

from curation.errors import BadInput
from curation.ingest.picture_files import quiet_decoders

_FRAMES_AT_ONCE = 8
_TIMEOUT_S = 120


def frames_apart(path: Path, count: int) -> Iterator[NDArray[Any]]:
    """The file's frames, decoded by GDCM in another process; raises BadInput when that process dies or hangs."""
    for start in range(0, count, _FRAMES_AT_ONCE):
        yield from _apart().decode(path, start, min(start + _FRAMES_AT_ONCE, count))


@cache
def _apart() -> "_Apart":
    return _Apart()


class _Apart:
    """One child process, made on first use and made anew after it died; one file at a time, so that we know whose."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def decode(self, path: Path, start: int, stop: int) -> list[NDArray[Any]]:
        with self._lock:
            self._pool = self._pool or ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            try:
                return self._pool.submit(_decode, path, start, stop).result(_TIMEOUT_S)
            except BrokenProcessPool as error:
                self._drop()
                raise BadInput("its pixels cannot be decoded: the decoder crashed on them") from error
            except TimeoutError as error:
                self._drop()
                raise BadInput(f"its pixels cannot be decoded: no answer in {_TIMEOUT_S} s") from error

    def _drop(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)


def _decode(path: Path, start: int, stop: int) -> list[NDArray[Any]]:
    with quiet_decoders():
        dataset = dcmread(path)
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
        return [decoder.as_array(dataset, index=n, decoding_plugin="gdcm")[0] for n in range(start, stop)]
