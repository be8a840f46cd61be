"""Fuzz one target: `python -m tests.fuzz TARGET [--runs N] [--seconds N] [FOLDER | FILE ...]`.

FOLDER keeps what was found to reach further, and is where to go on from; without one it is
forgotten. FILE is an input to try once, without a fuzzer, such as the crash-... the fuzzer left.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MISSING_EXTRA = 5

NAMES = (
    "table block snappy bundle header slices v1 wire graph meta_graph saved_model object_graph "
    "tensor_proto tensor_data inspect content state text"
).split()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("paths", nargs="*", metavar="FOLDER | FILE")
    parser.add_argument("--runs", type=int, help="how many inputs")
    parser.add_argument("--seconds", type=int, help="how long")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--findings", default=".", metavar="FOLDER", help="where crash-... go")
    options = parser.parse_intermixed_args(arguments)
    files = [path for path in options.paths if os.path.isfile(path)]
    if files:
        return _try(options.target, files)
    if importlib.util.find_spec("atheris") is None:
        parser.exit(MISSING_EXTRA, "error: atheris is not installed; pip install atheris\n")
    # In memory where the system has such a place: some targets write a file for each input.
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="tfartifacts-fuzz-", dir=memory) as forgotten:
        return _in_a_process_of_its_own(lambda: _fuzz(options, forgotten))


def _in_a_process_of_its_own(fuzz: Callable[[], None]) -> int:
    """The fuzzer ends its process where it stands; whoever called it has to clean up."""
    child = os.fork()
    if child == 0:
        fuzz()
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the fuzzer ends by it, and says what it did
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _try(name: str, files: Sequence[str]) -> int:
    from tests.fuzz.targets import TARGETS

    for file in files:
        accepted = TARGETS[name].examine(Path(file).read_bytes())
        sys.stdout.write(f"{file}: {'accepted' if accepted else 'refused'}\n")
    return 0


def _fuzz(options: argparse.Namespace, forgotten: str) -> None:
    tempfile.tempdir = forgotten
    folder = options.paths[0] if options.paths else os.path.join(forgotten, "corpus")
    atheris: Any = importlib.import_module("atheris")
    # What is imported in here tells the fuzzer which of its branches were taken.
    with atheris.instrument_imports(include=["tfartifacts"]):
        from tests.fuzz.targets import TARGETS

        target = TARGETS[options.target]
    os.makedirs(folder, exist_ok=True)
    for data in target.seeds():
        Path(folder, hashlib.sha1(data).hexdigest()).write_bytes(data)

    def change(data: bytes, most: int, seed: int) -> bytes:
        return target.change(data, atheris.Mutate, random.Random(seed), most)

    os.makedirs(options.findings, exist_ok=True)
    flags = [
        f"-max_len={target.most_bytes}",
        f"-artifact_prefix={os.path.join(options.findings, '')}",
        f"-seed={options.seed}",
        "-timeout=20",  # seconds for one input
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    if options.runs is not None:
        flags.append(f"-runs={options.runs}")
    if options.seconds is not None:
        flags.append(f"-max_total_time={options.seconds}")

    def examine(data: bytes) -> None:
        target.examine(data)

    atheris.Setup([sys.argv[0], *flags, folder], examine, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
