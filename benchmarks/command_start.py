"""How soon `rounds --help` answers, beside a command line that imports what it drives at the top.

Usage: python benchmarks/command_start.py
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
REPEATS = 5
CASES = {
    "rounds --help": "from cli.main import rounds; rounds(['--help'], standalone_mode=False)",
    "the same after importing torch, diffusers and streamlit": (
        "import torch, diffusers, streamlit; from cli.main import rounds; rounds(['--help'], standalone_mode=False)"
    ),
}


def seconds(code: str) -> float:
    """Median wall time of a fresh interpreter that runs `code`."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    measured = {name: seconds(code) for name, code in CASES.items()}
    first = next(iter(measured.values()))
    for name, value in measured.items():
        print(f"{name:60s} {value:6.2f} s  {value / first:5.1f}x")


if __name__ == "__main__":
    main()
