"""Who may import whom, and what starting must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "tfartifacts"

# A part of the package, and the parts it may import besides itself: towards the bytes or towards
# the model, never towards the screen. A new folder or module gets a row here. What the classes are
# made with, all may import.
DIRECTIONS: dict[str, set[str]] = {
    "records": set(),
    "errors": set(),
    "dtypes": {"errors"},
    "model": {"dtypes", "errors"},
    "storage": {"errors", "model"},
    "formats": {"dtypes", "errors", "model", "storage"},
    "graphs": {"dtypes", "errors", "model"},
    "weights": {"dtypes", "errors", "graphs", "model"},
    # Where a caller says that a file is, is looked at when it is converted.
    "convert": {"errors", "graphs", "model", "storage"},
    "opening": {"errors", "formats", "model", "storage"},
    # Where assets will lie, which the graph has to say, is known only when it is written. What is
    # written beside an artifact, its manifest or state file, is made of what is found there.
    "saving": {"checks", "errors", "formats", "graphs", "model", "opening", "storage"},
    # Damaged files are read piece by piece, below what opening makes of them.
    "checks": {"dtypes", "errors", "formats", "graphs", "model", "opening", "storage", "weights"},
    # Which of several checkpoints is meant is told as convert tells it.
    "exchange": {
        "convert",
        "dtypes",
        "errors",
        "formats",
        "model",
        "saving",
        "storage",
        "weights",
    },
    "report": {"checks", "dtypes", "errors", "exchange", "graphs", "model", "weights"},
    # How a shape is written is for the graphs to say; a file of signatures comes from storage.
    # A frozen graph is handed to TensorFlow as it was read: encoded again.
    # What a graph needs and restores is for the graphs to say; values for inputs are in files.
    "execution": {
        "convert",
        "dtypes",
        "errors",
        "formats",
        "graphs",
        "model",
        "opening",
        "storage",
    },
    "cli": {
        "checks",
        "convert",
        "errors",
        "exchange",
        "execution",
        "graphs",
        "model",
        "opening",
        "report",
        "saving",
        "storage",
        "weights",
    },
    "__main__": {"cli"},
    "__init__": {
        "checks",
        "convert",
        "dtypes",
        "errors",
        "exchange",
        "model",
        "opening",
        "saving",
        "weights",
    },
}

# Imports from elsewhere that only some parts may have, each costing what a start cannot afford.
ONLY_IN: dict[str, set[str]] = {
    "tensorflow": {"execution"},
    "typer": {"cli"},
    "click": set(),
    "rich": {"cli"},
    "tabulate": set(),
    "dataclasses": {"cli", "records"},
    "yaml": {"cli"},
}

# What `inspect` must not load where no value is read.
HEAVY = (
    *("tensorflow", "numpy", "ml_dtypes", "google.protobuf", "rich", "pydantic", "yaml"),
    *("typer", "tabulate", "dataclasses", "inspect"),
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> Iterator[str]:
    """Full names of the modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written in full"
            assert node.module is not None
            # `from tfartifacts import convert` imports a module too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_parts(module: Path) -> set[str]:
    """The parts of this package a module imports, its own left out."""
    found = set()
    for name in imported(module):
        if name.startswith("tfartifacts."):
            found.add(name.split(".")[1])
    # Names of the package itself, such as __version__, are in no part.
    return {part for part in found if part in DIRECTIONS} - {part_of(module)}


def test_every_part_of_the_package_has_its_directions() -> None:
    assert {part_of(module) for module in modules()} == set(DIRECTIONS)


@pytest.mark.parametrize("part", DIRECTIONS)
def test_imports_follow_the_directions(part: str) -> None:
    found = {
        str(module.relative_to(PACKAGE)): own_parts(module) - DIRECTIONS[part] - {"records"}
        for module in modules()
        if part_of(module) == part
    }
    assert found
    assert {module: parts for module, parts in found.items() if parts} == {}


def test_the_directions_have_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(DIRECTIONS):
        ready = {part for part, others in DIRECTIONS.items() if others <= done} - done
        assert ready, f"a cycle among {sorted(set(DIRECTIONS) - done)}"
        done |= ready


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    found = {
        part_of(module)
        for module in modules()
        for name in imported(module)
        if name.split(".")[0] == library
    }
    assert found - ONLY_IN[library] == set()


def loaded_by(code: str) -> list[str]:
    """Which of HEAVY a fresh interpreter has loaded after the code, that must end well."""
    code += f"\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = ast.literal_eval(run.stdout.splitlines()[-1])
    assert isinstance(loaded, list)
    return loaded


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import tfartifacts\ntfartifacts.open; tfartifacts.save") == []


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_by("import numpy, google.protobuf")[:2] == ["numpy", "google.protobuf"]


@pytest.mark.parametrize(
    "path",
    [
        "digits/checkpoints",
        "digits/checkpoints/my_model-4",
        "digits/checkpoints/my_model-4.index",
        "digits/checkpoints/my_model-4.meta",
        "digits/saved_model",
        "partitioned/partitioned",
        "keras",
        "keras/export",
        "v1-checkpoint/model-3",
        "graphs/frozen.pb",
        "tensorflow-1.15/part",
        "saved-models/two_meta_graphs",
    ],
)
def test_inspecting_loads_nothing_heavy(fixtures: Path, path: str) -> None:
    arguments = ["inspect", str(fixtures / path), "--show", "all"]
    code = f"from tfartifacts.__main__ import run\nassert run({arguments!r}) == 0"
    assert loaded_by(code) == []


def test_values_are_what_loads_numpy(fixtures: Path) -> None:
    path = str(fixtures / "digits" / "checkpoints" / "my_model-4")
    code = f"import tfartifacts\nfor v in tfartifacts.open({path!r}).variables.values(): v.read()"
    assert "numpy" in loaded_by(code)


def test_converting_loads_neither_tensorflow_nor_protobuf(fixtures: Path, tmp_path: Path) -> None:
    source, export = str(fixtures / "digits" / "checkpoints"), str(tmp_path / "export")
    arguments = ["convert", source, export]
    code = f"from tfartifacts.__main__ import run\nassert run({arguments!r}) == 0"
    assert loaded_by(code) == []


def test_only_the_command_that_is_asked_for_is_loaded(fixtures: Path) -> None:
    code = f"""
import sys
from tfartifacts.__main__ import run
assert run(["inspect", {str(fixtures / "graphs" / "frozen.pb")!r}]) == 0
print([name for name in sys.modules if name.startswith("tfartifacts.cli.")])
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    commands = {"average", "convert", "diff", "edit", "export", "run", "signature", "stats"}
    loaded = {name.rpartition(".")[2] for name in ast.literal_eval(run.stdout.splitlines()[-1])}
    assert "inspect" in loaded
    assert loaded & commands == set()


def test_every_command_helps() -> None:
    from tfartifacts.cli.commands import COMMANDS

    for name in COMMANDS:
        run = subprocess.run(
            [sys.executable, "-m", "tfartifacts", name, "--help"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert run.stdout.startswith(f"Usage: tfartifacts {name} ")
        assert not run.stderr
