"""Make the TensorFlow installations the tests are judged by: `python tests/judges/install.py`.

One virtual environment each under `.judges/`, with a Python looked for on PATH and among pyenv's.
What is there and works is kept. Where no Python fits, that is said and the next one is made;
with `--require` it is an error. Standard library only.
"""

# ruff: noqa: T201 - a program for people at a terminal.

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.judges.installations import INSTALLATIONS, Installation


def main() -> int:
    """Make what is missing; 1 if something could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--require", action="store_true", help="a missing Python is an error (for CI)"
    )
    require = parser.parse_args().require
    failures = 0
    for installation in INSTALLATIONS:
        named = os.environ.get(installation.variable)
        if named is not None:
            print(f"TensorFlow {installation.version}: {installation.variable} names {named}")
            continue
        if works(installation.folder / "bin" / "python"):
            print(f"TensorFlow {installation.version}: {installation.folder} is there")
            continue
        python = next(find_pythons(installation), None)
        if python is None:
            print(
                f"TensorFlow {installation.version} needs Python "
                f"{' or '.join(installation.pythons)}: none on PATH or in pyenv; "
                f"`pyenv install {installation.pythons[0]}` gives one",
                file=sys.stderr,
            )
            failures += require
            continue
        failures += not make(installation, python)
    return 1 if failures else 0


def works(python: Path) -> bool:
    """Whether a Python is there and imports TensorFlow; one left by an interrupted pip does not."""
    return python.is_file() and (
        subprocess.run(
            [python, "-c", "import tensorflow"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        == 0
    )


def find_pythons(installation: Installation) -> Iterator[Path]:
    """Interpreters of the versions an installation can use, best version first."""
    for version in installation.pythons:
        candidates = [shutil.which(f"python{version}")]
        candidates += [
            str(folder / "bin" / f"python{version}")
            for folder in sorted(pyenv_versions().glob(f"{version}.*"), reverse=True)
        ]
        for candidate in candidates:
            if candidate is not None and runs(candidate, version):
                yield Path(candidate)


def pyenv_versions() -> Path:
    """The folder of the Pythons that pyenv installed; it need not exist."""
    pyenv = shutil.which("pyenv")
    if pyenv is not None:
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False)
        if root.returncode == 0:
            return Path(root.stdout.strip()) / "versions"
    return Path.home() / ".pyenv" / "versions"


def runs(python: str, version: str) -> bool:
    """Whether an executable is that Python: pyenv puts shims on PATH that only print an error."""
    try:
        result = subprocess.run(
            [python, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    return result.returncode == 0 and result.stdout.strip() == version


def make(installation: Installation, python: Path) -> bool:
    """Make the virtual environment and install TensorFlow; whether that worked."""
    start = time.monotonic()
    folder = installation.folder
    print(f"TensorFlow {installation.version}: {folder} with {python}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    commands = (
        [str(python), "-m", "venv", str(folder)],
        [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            # Source packages of this age no longer build; TensorFlow has only wheels anyway.
            "--only-binary=tensorflow,numpy,protobuf,h5py,grpcio",
            *installation.requirements,
        ],
    )
    for command in commands:
        if subprocess.run(command, check=False).returncode != 0:
            print(f"failed: {' '.join(command)}", file=sys.stderr)
            return False
    print(f"TensorFlow {installation.version}: {time.monotonic() - start:.0f} s", flush=True)
    return works(folder / "bin" / "python")


if __name__ == "__main__":
    sys.exit(main())
