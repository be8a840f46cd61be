"""`python -m benchmarks [NAME ...] [--pairs N]`: prints a table for each, or for all there are.

Both sides run in turn, pair by pair, and the median of the pairs' ratios is what counts: the speed
of shared machines drifts. Peers that are not installed are left out and named; TensorFlow's are
found as the tests find them (`python tests/judges/install.py`).
"""

from __future__ import annotations

import argparse

from benchmarks import comparing, exchanging, listing, startup, writing

BENCHMARKS = {
    "startup": startup.run,
    "listing": listing.run,
    "writing": writing.run,
    "exchanging": exchanging.run,
    "comparing": comparing.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], default=[])
    parser.add_argument("--pairs", type=int, default=11, help="runs of each side (default 11)")
    arguments = parser.parse_args()
    for name in arguments.names or BENCHMARKS:
        BENCHMARKS[name](arguments.pairs)


if __name__ == "__main__":
    main()
