"""Works and the axes along which they are measured: ten times the size, again and again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.data import bundles, graphs, saved_models
from benchmarks.data.place import Dataset
from benchmarks.measuring.cases import Side
from benchmarks.targets.setting import Setting, in_process, tool

QUICK_SIZES = 2  # the smallest


@dataclass(frozen=True)
class Work:
    """The same work at any size of an axis; `side` is what to run with data of that size."""

    name: str
    side: Callable[[str, int], Side]  # the folder of the data, the size
    most: int | None = None  # the largest size, where larger ones take too long


@dataclass(frozen=True)
class Axis:
    name: str  # "variables"; also of its figure
    sizes: tuple[int, ...]
    dataset: Callable[[int], Dataset]
    works: tuple[Work, ...]


def axes(setting: Setting) -> list[Axis]:
    """All of them; in a quick run with their smallest sizes."""
    found = [
        _variables(setting),
        _shards(setting),
        _slices(setting),
        _nodes(setting),
        _trained(setting),
        _bytes(setting),
        _signatures(),
        _functions(),
    ]
    if setting.quick:
        return [
            Axis(axis.name, axis.sizes[:QUICK_SIZES], axis.dataset, axis.works) for axis in found
        ]
    return found


def _variables(setting: Setting) -> Axis:
    works = (
        _listed(),
        *_of_bundle("inspect", "verify"),
        _prefix("inspect --show variables", "inspect", "--show", "variables"),
        _prefix("inspect --json", "inspect", "--json"),
        _edited(setting, 100_000),
    )
    return Axis("variables", (1_000, 10_000, 100_000, 1_000_000), bundles.variables, works)


def _shards(setting: Setting) -> Axis:
    works = (
        _listed(bundles.PER_SHARD),
        *_of_bundle("inspect", "verify", "stats"),
        _edited(setting),
    )
    return Axis("shards", (1, 10, 100, 1_000), bundles.shards, works)


def _slices(setting: Setting) -> Axis:
    works = (
        _listed(0),
        *_of_bundle("verify", "stats"),
        _prefix("inspect --show slices", "inspect", "--show", "slices"),
        _edited(setting, option="--merge-partitions"),
    )
    return Axis("slices", (8, 64, 512, 4_096), bundles.slices, works)


def _nodes(setting: Setting) -> Axis:
    def names(folder: str, count: int) -> Side:
        return in_process("names", "ours_nodes", os.path.join(folder, graphs.META), str(count))

    works = (
        Work("names and ops, in process", names),
        _file("inspect", graphs.META, "inspect"),
        _file("inspect --show nodes", graphs.META, "inspect", "--show", "nodes"),
        _file("verify", graphs.META, "verify"),
        _file("scan", graphs.META, "scan"),
    )
    return Axis("nodes", (1_000, 10_000, 100_000, 1_000_000), graphs.many_nodes, works)


def _trained(setting: Setting) -> Axis:
    out = setting.result("scaled")

    def converted(*options: str) -> Callable[[str, int], Side]:
        def side(folder: str, size: int) -> Side:
            prefix = os.path.join(folder, graphs.TRAINED_PREFIX)
            ends = ("--inputs", "input", "--outputs", "output_0")
            return Side("convert", (tool("convert", prefix, out, *ends, *options),), makes=(out,))

        return side

    works = (
        Work("convert, pruned", converted()),
        Work("convert, nothing pruned", converted("--keep-training-graph")),
        Work("convert --freeze", converted("--freeze")),
    )
    return Axis("nodes converted", (1_000, 10_000, 100_000), graphs.trained, works)


def _bytes(setting: Setting) -> Axis:
    exported = setting.result("scaled.safetensors")

    def export(folder: str, size: int) -> Side:
        step = tool("export", os.path.join(folder, bundles.PREFIX), exported)
        return Side("export", (step,), makes=(exported,))

    works = (
        *_of_bundle("inspect", "verify"),
        _prefix("stats", "stats"),
        _prefix("stats --no-quantiles", "stats", "--no-quantiles"),
        Work("export to safetensors", export),
        _edited(setting),
    )
    sizes = (2_560_000, 25_600_000, 256_000_000, 2_560_000_000)
    return Axis("bytes", sizes, bundles.weights, works)


def _signatures() -> Axis:
    works = (
        _folder("inspect", "inspect"),
        _folder("inspect --show signatures", "inspect", "--show", "signatures"),
        _folder("inspect --json", "inspect", "--json"),
        _folder("verify", "verify"),
        _folder("signature list", "signature", "list"),
    )
    return Axis(
        "signatures",
        (10, 100, 1_000, 10_000),
        lambda size: saved_models.saved_model(signatures=size),
        works,
    )


def _functions() -> Axis:
    works = (
        _folder("inspect", "inspect"),
        _folder("inspect --show functions", "inspect", "--show", "functions"),
        _folder("verify", "verify"),
        _folder("scan", "scan"),
    )
    return Axis(
        "functions",
        (10, 100, 1_000, 10_000),
        lambda size: saved_models.saved_model(functions=size),
        works,
    )


def _listed(per_size: int = 1) -> Work:
    """In process; `per_size` 0: one variable, whatever the size."""

    def side(folder: str, size: int) -> Side:
        count = str(size * per_size or 1)
        return in_process("list", "ours_list", os.path.join(folder, bundles.PREFIX), count)

    return Work("list, in process", side)


def _of_bundle(*commands: str) -> tuple[Work, ...]:
    return tuple(_prefix(command, command) for command in commands)


def _prefix(name: str, *arguments: str) -> Work:
    return _file(name, bundles.PREFIX, *arguments)


def _file(name: str, file: str, *arguments: str) -> Work:
    def side(folder: str, size: int) -> Side:
        path = os.path.join(folder, file)
        return Side(name, (tool(arguments[0], path, *arguments[1:]),))

    return Work(name, side)


def _folder(name: str, *arguments: str) -> Work:
    def side(folder: str, size: int) -> Side:
        first = 2 if arguments[0] == "signature" else 1
        return Side(name, (tool(*arguments[:first], folder, *arguments[first:]),))

    return Work(name, side)


def _edited(setting: Setting, most: int | None = None, option: str = "") -> Work:
    out = setting.result("scaled")
    options = (option,) if option else ("--rename", "model/=m/")

    def side(folder: str, size: int) -> Side:
        step = tool("edit", os.path.join(folder, bundles.PREFIX), f"{out}/m", *options)
        return Side("edit", (step,), makes=(out,))

    return Work(f"edit {options[0]}", side, most)
