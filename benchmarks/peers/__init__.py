"""Who else does it: found where they are installed, named where they are not.

TensorFlow's are those the tests are judged by (`python tests/judges/install.py`);
tensorflow-checkpoint-reader, which needs an old protobuf, is put into an environment of its own by
`python -m benchmarks.peers.install`; safetensors comes with the extra `benchmarks`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.judges import installations

TENSORFLOW_2 = "TensorFlow 2.21"
TENSORFLOW_1 = "TensorFlow 1.15"
SAFETENSORS = "safetensors"
CHECKPOINT_READER = "tensorflow-checkpoint-reader"

READER_FOLDER = installations.PROJECT / ".judges" / CHECKPOINT_READER
READER_VARIABLE = "TFARTIFACTS_CHECKPOINT_READER"

_VERSIONS = """
import sys
try:
    from importlib.metadata import version
except ImportError:
    import pkg_resources
    version = lambda name: pkg_resources.get_distribution(name).version
print(version(sys.argv[1]), "with Python", sys.version.split()[0])
"""


@dataclass(frozen=True)
class Peers:
    """The Python that each peer is run with; those without one are not installed."""

    pythons: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)  # name: how to get it

    def python(self, name: str) -> str | None:
        return self.pythons.get(name)

    def versions(self) -> dict[str, str]:
        """Of those that are there."""
        packages = {TENSORFLOW_1: "tensorflow", TENSORFLOW_2: "tensorflow"}
        return {
            name: subprocess.run(
                [python, "-c", _VERSIONS, packages.get(name, name)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for name, python in self.pythons.items()
        }


def find() -> Peers:
    """Look where they would be."""
    pythons: dict[str, str] = {}
    missing: dict[str, str] = {}
    for installation in installations.INSTALLATIONS:
        python, why = installations.find(installation)
        name = f"TensorFlow {installation.version}"
        if python is None:
            missing[name] = why
        else:
            pythons[name] = str(python)
    if find_spec("safetensors") is not None:
        pythons[SAFETENSORS] = sys.executable
    else:
        missing[SAFETENSORS] = "pip install '.[benchmarks]'"
    reader = Path(os.environ.get(READER_VARIABLE, READER_FOLDER / "bin" / "python"))
    if reader.is_file():
        pythons[CHECKPOINT_READER] = str(reader)
    else:
        missing[CHECKPOINT_READER] = "python -m benchmarks.peers.install"
    return Peers(pythons, missing)
