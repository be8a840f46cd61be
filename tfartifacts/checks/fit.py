"""A graph held against the checkpoint it restores: keys, types and shapes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from tfartifacts.checks.faults import Faults, few
from tfartifacts.checks.findings import Finding
from tfartifacts.errors import NameNotFoundError, TfArtifactsError, UnsupportedError
from tfartifacts.formats.tensor_bundle import OBJECT_GRAPH_KEY
from tfartifacts.graphs.matching import Mismatch, mismatch
from tfartifacts.graphs.saver import (
    VARIABLE_OPS,
    resource_of,
    restored_tables,
    restored_variables,
)
from tfartifacts.model import MetaGraph, Node, Variable

# What Saver and tf.train.Checkpoint write besides the variables.
_NO_VARIABLES = frozenset((OBJECT_GRAPH_KEY,))


def check_fit(
    meta_graph: MetaGraph, variables: Mapping[str, Variable], *, path: str, where: str = ""
) -> Iterator[Finding]:
    """Whether the saver of a meta graph finds in a checkpoint what it restores.

    `path` is the graph's file, `where` which of its meta graphs. A key that nothing restores is no
    fault: optimizer slots of a graph that was pruned are such.
    """
    faults = Faults(path, where)
    held = _variable_nodes(meta_graph)
    saver = meta_graph.saver
    if saver is None or not saver.restore_op_name:
        if held and meta_graph.object_graph is None:
            faults.warning(
                "no-saver",
                f"found {len(held):,} variables and no saver, expected one that restores them; "
                "build a Saver from the variables, if their collection is there",
                held[0].name,
            )
        yield from faults.findings()
        return
    try:
        found = mismatch(meta_graph, variables)
        restored = restored_variables(meta_graph)
        tables = restored_tables(meta_graph)
    except UnsupportedError as error:
        faults.warning("saver", f"what the saver restores cannot be told: {error.message}")
    except NameNotFoundError as error:
        faults.error("restore-op", f"{error.message}: the saver cannot restore anything")
    except TfArtifactsError as error:
        faults.error("saver", f"what the saver restores cannot be read: {error.message}")
    else:
        _tell_mismatch(found, faults)
        wanted = {item.key for item in restored}
        for table in tables:
            for key, _, _ in table.sources:
                wanted.add(key)
                if key not in variables:
                    faults.error(
                        "missing-table-key",
                        f"found no {key!r} in the checkpoint, which table {table.table!r} is "
                        "restored from; it is of another graph",
                        key,
                    )
        names = {item.variable for item in restored}
        _tell_unrestored(held, names, meta_graph, faults)
        _tell_extra([key for key in variables if key not in wanted], faults)
    yield from faults.findings()


def _variable_nodes(meta_graph: MetaGraph) -> list[Node]:
    return [node for node in meta_graph.graph if node.op in VARIABLE_OPS]


def _tell_mismatch(found: Mismatch, faults: Faults) -> None:
    rules = [f"{shlex.quote(rule)} finds {count:,}" for rule, count in found.rules]
    advice = f"; of the renamings, {', '.join(rules)}" if rules else "; it is of another graph"
    for key, close in found.missing.items():
        hint = f" (there is {' or '.join(map(repr, close))})" if close else ""
        faults.error(
            "missing-variable",
            f"found no {key!r} in the checkpoint, which the graph restores{hint}{advice}",
            key,
        )
    for key, (wanted, there) in found.changed.items():
        faults.error(
            "changed-variable",
            f"found {there} for {key!r} in the checkpoint, expected {wanted} as in the graph; it "
            "is of another graph",
            key,
        )


def _tell_extra(extra: list[str], faults: Faults) -> None:
    extra = [key for key in extra if key not in _NO_VARIABLES]
    if extra:
        faults.note(
            "extra-variables",
            f"found {len(extra):,} names in the checkpoint that the graph does not restore: "
            f"{few(extra)}; no harm, it was saved with more",
            extra[0],
        )


def _tell_unrestored(
    held: list[Node], restored: set[str], meta_graph: MetaGraph, faults: Faults
) -> None:
    """Variables that have no value after restoring: local ones, and those of other graphs."""
    if meta_graph.object_graph is not None:
        return  # tf.saved_model.load restores through the objects
    there = {resource_of(node) for node in held if node.name in restored}
    left = [node.name for node in held if resource_of(node) not in there]
    if left:
        faults.note(
            "unrestored-variables",
            f"found {len(left):,} variables that the saver does not restore: {few(left)}; an init "
            "op has to give them values",
            left[0],
        )
