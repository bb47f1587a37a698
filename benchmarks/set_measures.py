"""How long every measure of one scope takes, at growing n.

python benchmarks/set_measures.py [--n 100 500 2000] [--dimension 512] [--resamples 20]
"""

import argparse
import json
import os
import resource
import time

import numpy as np

from screening.set_measures.scope import ImageSet, measure_scope


def main() -> None:
    """Print one JSON line for each n: seconds in all, seconds for one resample, the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--resamples", type=int, default=20)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    for n in options.n:
        sets = [ImageSet(random.normal(size=(n, options.dimension)), random.normal(size=(n, 32))) for _ in range(3)]
        began = time.perf_counter()
        measure_scope(*sets, sets[0].features, options.resamples, 0)
        seconds = time.perf_counter() - began
        line = {
            "n": n,
            "dimension": options.dimension,
            "resamples": options.resamples,
            "seconds": round(seconds, 2),
            "seconds_a_resample": round(seconds / options.resamples, 4),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "load": round(os.getloadavg()[0], 1),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
