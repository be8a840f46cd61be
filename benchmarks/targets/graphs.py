"""Targets 8 and 9: names and ops of a graph's nodes, in process, imports not counted."""

from __future__ import annotations

from benchmarks.data import graphs
from benchmarks.data.place import Dataset, size_text
from benchmarks.measuring.cases import PEAK, Case, Limit, Side
from benchmarks.peers import TENSORFLOW_2
from benchmarks.targets.setting import Setting, in_process, missing, there

_OURS = "tfa.open(META).graph.names_and_ops()"
_PARSED = f"ParseFromString and loop, {TENSORFLOW_2}"
_IMPORTED = f"import_meta_graph, {TENSORFLOW_2}"
_IMPORTS = 5  # of some seconds each


def cases(setting: Setting) -> list[Case]:
    return [_nodes(setting), _constants(setting)]


def _nodes(setting: Setting) -> Case:
    count = setting.count(105_000)
    dataset = graphs.many_nodes(count)
    meta = f"{dataset.path(setting.root)}/{graphs.META}"
    limits = (
        Limit(_OURS, _PARSED, 0.6, needs=TENSORFLOW_2),
        Limit(_OURS, _IMPORTED, 0.03, needs=TENSORFLOW_2),
    )
    return Case(
        "nodes",
        f"names and ops of a .meta of {count:,} nodes ({size_text(dataset.num_bytes)})",
        _sides(setting, meta, count),
        limits,
        target=8,
        datasets=(dataset,),
        missing=missing(limits, setting.peers),
    )


def _constants(setting: Setting) -> Case:
    dataset = _of_constants(setting)
    meta = f"{dataset.path(setting.root)}/{graphs.META}"
    count = graphs.NUM_WITH_CONSTANTS
    limits = (
        Limit(_OURS, None, 0.010),
        Limit(_OURS, None, 25 * 2**20, PEAK),
        Limit(_OURS, _PARSED, None, needs=TENSORFLOW_2),
    )
    return Case(
        "constants",
        f"the same of a .meta of {size_text(dataset.num_bytes)}, mostly constants",
        _sides(setting, meta, count)[:2],
        limits,
        target=9,
        datasets=(dataset,),
        missing=missing(limits, setting.peers),
    )


def _of_constants(setting: Setting) -> Dataset:
    return graphs.large_constants(setting.count(500_000_000))


def _sides(setting: Setting, meta: str, count: int) -> tuple[Side, ...]:
    python = setting.peers.python(TENSORFLOW_2)
    sides: list[Side | None] = [in_process(_OURS, "ours_nodes", meta, str(count))]
    if python is not None:
        sides.append(in_process(_PARSED, "tensorflow_nodes", meta, str(count), python=python))
        sides.append(
            in_process(
                _IMPORTED,
                "tensorflow_import",
                meta,
                str(count),
                python=python,
                most_runs=_IMPORTS,
            )
        )
    return there(sides)
