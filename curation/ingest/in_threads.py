"""Map a function over items in threads or processes: results in order, few items under way at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

_BATCH = 8  # things a thread takes at once
_MAX_THREADS = 4

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(work: Callable[[T], R], things: Iterable[T], name: str) -> Iterator[R]:
    """Yield `work(thing)` of each thing in order; after an error of `work` no further thing is begun.

    At most three batches of eight for each thread are under way or finished and not yet taken.
    """
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        yield from map_batches(pool, threads, partial(_work_on, work), things, _BATCH)


def _work_on(work: Callable[[T], R], batch: list[T]) -> list[R]:
    return [work(thing) for thing in batch]


def map_batches(
    pool: Executor, workers: int, work: Callable[[list[T]], list[R]], things: Iterable[T], size: int
) -> Iterator[R]:
    """Yield what `work` makes of batches of `size` things, in order; at most three batches for each worker at once."""
    remaining = iter(things)
    under_way: deque[Future[list[R]]] = deque()
    try:
        while batch := list(islice(remaining, size)):
            under_way.append(pool.submit(work, batch))
            if len(under_way) > 2 * workers:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
