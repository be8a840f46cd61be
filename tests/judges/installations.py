"""Where the TensorFlow installations are that serve as judges.

Named by an environment variable, or made by `python tests/judges/install.py` under `.judges/`.
Standard library only: install.py runs before anything is installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installation:
    """A TensorFlow the tests know, and what it needs."""

    version: str  # as in its name: "1.15", "2.21"
    requirements: tuple[str, ...]
    pythons: tuple[str, ...]  # versions of Python that can run it, best first

    @property
    def folder(self) -> Path:
        """The virtual environment that install.py makes."""
        return PROJECT / ".judges" / f"tensorflow-{self.version}"

    @property
    def variable(self) -> str:
        """The environment variable that names its Python executable instead."""
        return f"TFARTIFACTS_TENSORFLOW_{self.version.replace('.', '_')}"


INSTALLATIONS = (
    # The last 1.x. Newer protobuf and NumPy break its import.
    Installation("1.15", ("tensorflow==1.15.5", "protobuf<3.21", "numpy<1.19"), ("3.7",)),
    Installation("2.21", ("tensorflow==2.21.0",), ("3.11", "3.12", "3.13")),
)


def find(
    installation: Installation, environment: Mapping[str, str] = os.environ
) -> tuple[Path | None, str]:
    """The Python of an installation, or None and the reason that says how to get it."""
    named = environment.get(installation.variable)
    if named is not None:
        if Path(named).is_file():
            return Path(named), ""
        return None, f"{installation.variable} names {named}, which is no file"
    python = installation.folder / "bin" / "python"
    if python.is_file():
        return python, ""
    return None, (
        f"no TensorFlow {installation.version} to judge by: run `python tests/judges/install.py`, "
        f"or set {installation.variable} to a Python that has it"
    )
