"""Sources for conversions, made by tests/judges/sources.py, and what is done with them."""

from __future__ import annotations

import fcntl
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tfartifacts as tfa
from tests.judges.client import PROJECT, Array, Judge, environment

KINDS = (
    *("ref", "res", "part", "part1", "sharded1", "sharded3", "gpu", "v1_format", "v1_part"),
    *("ema", "estimator", "dtypes", "table", "mutable", "embedding", "control"),
    *("references", "values", "functional", "batch_norm"),
)
MODES = ("as is", "pruned", "frozen")
# Of TensorFlow 1, of TensorFlow 2, of C++.
LOADERS = ("v1", "v2", "C")
# What cannot be frozen, and what is said of it.
NOT_FROZEN = {
    "mutable": r"found table 'words(-dense)?', which the saver fills, expected variables alone",
    "functional": r"\((While|StatelessWhile)\), which takes inside/step itself",
}


@dataclass(frozen=True)
class Source:
    """A checkpoint with its graph, what is fed to it and what TensorFlow then computed.

    `fixed` are feeds of placeholders that a conversion makes constants of.
    """

    folder: Path
    feeds: dict[str, Array]
    fixed: dict[str, Array]
    fetches: dict[str, Array]

    @property
    def prefix(self) -> Path:
        return self.folder / "model"

    @property
    def keys(self) -> dict[str, str]:
        """Key -> tensor of the inputs."""
        return {name.partition(":")[0]: name for name in self.feeds}

    @property
    def constants(self) -> dict[str, str]:
        """What becomes of placeholders, as `placeholders` of a conversion takes it."""
        return {name: str(value.item()).lower() for name, value in self.fixed.items()}

    def by_key(self) -> dict[str, Array]:
        return {name.partition(":")[0]: value for name, value in self.feeds.items()}


def read_source(folder: Path) -> Source:
    read: dict[str, dict[str, Array]] = {"feed": {}, "set": {}, "fetch": {}}
    with np.load(folder / "source.npz") as arrays:
        for name in arrays.files:
            part, _, key = name.partition(" ")
            array = arrays[name]
            read[part][key] = array.astype(object) if array.dtype.kind == "S" else array
    return Source(folder, read["feed"], read["set"], read["fetch"])


def make_sources(judge: Judge, folder: Path) -> dict[str, Source]:
    """Every kind, made in `folder` by the judge's TensorFlow unless another process has."""
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            script = PROJECT / "tests" / "judges" / "sources.py"
            subprocess.run(
                [judge.python, os.fspath(script), os.fspath(folder), *KINDS],
                check=True,
                capture_output=True,
                env=environment(),
                timeout=300,
            )
            (folder / "made").touch()
    return {kind: read_source(folder / kind) for kind in KINDS}


def same_bits(first: Array, second: Array) -> bool:
    if first.dtype == object:
        return bool(first.shape == second.shape and first.tolist() == second.tolist())
    return bool(
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


def export(source: Source, folder: Path, mode: str, **options: Any) -> tfa.SavedModel:
    checkpoint = tfa.open(source.prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    model = tfa.checkpoint_to_saved_model(
        checkpoint,
        inputs=source.keys,
        outputs={key: f"{key}:0" for key in source.fetches},
        keep_training_graph=mode == "as is",
        freeze=mode == "frozen",
        placeholders=source.constants,
        **options,
    )
    tfa.save(model, folder)
    return model


_RESULTS: dict[tuple[str, Path], dict[str, Array]] = {}


def run_source(judge: Judge, source: Source) -> dict[str, Array]:
    """What the checkpoint gives in a TensorFlow, by output key; run once and remembered."""
    known = _RESULTS.get((judge.python, source.folder))
    if known is None:
        fetched = judge.run_checkpoint(
            source.prefix,
            {**source.feeds, **{f"{name}:0": value for name, value in source.fixed.items()}},
            [f"{key}:0" for key in source.fetches],
            initialize_tables=True,
            soft_placement=True,
        )
        known = {key.partition(":")[0]: value for key, value in fetched.items()}
        _RESULTS[judge.python, source.folder] = known
    return known


def load_and_run(
    judge: Judge,
    folder: Path,
    feeds: dict[str, Array],
    signature: str = "serving_default",
    loaders: tuple[str, ...] = LOADERS,
) -> dict[str, dict[str, Array]]:
    """What a signature gives, by loader."""
    found = {}
    if "v1" in loaders:
        found["v1"] = judge.run_saved_model_v1(folder, ["serve"], feeds, signature=signature)
    if "v2" in loaders:
        found["v2"] = judge.run_saved_model_v2(folder, feeds, signature=signature)
    if "C" in loaders:
        found["C"] = judge.run_saved_model_c(folder, ["serve"], feeds, signature=signature)
    return found


def assert_same(found: dict[str, dict[str, Array]], expected: dict[str, Array]) -> None:
    """By every loader the same outputs, to the last bit."""
    for loader, values in found.items():
        assert values.keys() == expected.keys(), loader
        for key, value in expected.items():
            assert same_bits(values[key], value), (loader, key)
