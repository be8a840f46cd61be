"""A difference as a document.

    schema, kind "difference", path null, a: {path, kind, num_variables, format}, b, values, equal,
    same_weights, equal_variables, equal_graphs (null: not compared),
    num_equal, num_by_checksum, roles: {model: {equal, changed, renamed, added, ...}},
    variables: those that differ: [{name, changes, role, found_by, before: {name, dtype, shape,
        num_elements, nbytes, num_slices}, after, comparison: {...} | null, error}],
    renames: {name in A: name in B}, rules: [{rule, pattern, replacement, count}],
    meta_graphs: [{tags_a, tags_b, equal, graph: {num_nodes_a, num_nodes_b, nodes: [{name, op,
        kind, fields: [{name, before, after}]}], functions, ops}, signatures: [{name, kind,
        lines}], collections, versions, saver, assets}],
    only_in_a, only_in_b (tag sets), num_other_constants, notes, problems

Names are exact, values of attributes short, as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tfartifacts.graphs.graph_difference import (
    FunctionDifference,
    GraphDifference,
    NodeDifference,
)
from tfartifacts.graphs.meta_graph_difference import ItemDifference, MetaGraphDifference
from tfartifacts.graphs.renaming import as_regular_expression
from tfartifacts.model import Variable
from tfartifacts.report.comparing import attr_text
from tfartifacts.report.findings import describe_error
from tfartifacts.report.view import Document
from tfartifacts.weights.comparison import ValueComparison
from tfartifacts.weights.difference import Difference, Side, VariableDifference
from tfartifacts.weights.statistics import ROLES

if TYPE_CHECKING:
    from tfartifacts.report.csv_text import Rows

SCHEMA = 1

ITEMS = ("signatures", "collections", "versions", "saver", "assets")


def describe_difference(found: Difference) -> Document:
    """The document of what `diff` found."""
    variables = found.variables or ()
    return {
        "schema": SCHEMA,
        "kind": "difference",
        "path": None,
        "a": _side(found.a),
        "b": _side(found.b),
        "values": found.values,
        "equal": found.equal,
        "same_weights": found.same_weights,
        "equal_variables": None if found.variables is None else found.equal_variables,
        "equal_graphs": None if found.meta_graphs is None else found.equal_graphs,
        "num_equal": sum(not item.changes for item in variables),
        "num_by_checksum": sum(
            item.comparison is not None and item.comparison.by_checksum for item in variables
        ),
        "roles": _roles(variables),
        "variables": [_variable(item) for item in variables if item.changes],
        "renames": dict(found.renames),
        "rules": [_rule(rule, count) for rule, count in found.rules],
        "meta_graphs": None
        if found.meta_graphs is None
        else [_meta_graph(pair) for pair in found.meta_graphs],
        "only_in_a": [list(tags) for tags in found.only_in_a],
        "only_in_b": [list(tags) for tags in found.only_in_b],
        "num_other_constants": found.num_other_constants,
        "notes": list(found.notes),
        "problems": [describe_error(error) for error in found.damage],
    }


def _side(side: Side) -> Document:
    return {
        "path": side.path,
        "kind": side.kind,
        "num_variables": side.num_variables,
        "format": side.format,
    }


def _roles(variables: Iterable[VariableDifference]) -> Document:
    """How many variables of each role have each change; "equal": none, but perhaps a name."""
    counts: dict[str, Counter[str]] = {role: Counter() for role in ROLES}
    for item in variables:
        counts[item.role].update(item.changes)
        if not set(item.changes) - {"renamed"}:
            counts[item.role]["equal"] += 1
        counts[item.role]["all"] += 1
    return {role: dict(counter) for role, counter in counts.items() if counter}


def _variable(item: VariableDifference) -> Document:
    return {
        "name": item.name,
        "changes": list(item.changes),
        "role": item.role,
        "found_by": item.found_by,
        "before": _facts(item.before),
        "after": _facts(item.after),
        "comparison": None if item.comparison is None else _comparison(item.comparison),
        "error": None if item.error is None else describe_error(item.error),
    }


def _facts(variable: Variable | None) -> Document | None:
    if variable is None:
        return None
    return {
        "name": variable.name,
        "dtype": variable.dtype.name,
        "shape": list(variable.shape),
        "num_elements": variable.num_elements,
        "nbytes": variable.nbytes,
        "num_slices": len(variable.slices),
    }


def _comparison(found: ValueComparison) -> Document:
    return {
        "equal": found.equal,
        "num_elements": found.num_elements,
        "num_different": found.num_different,
        "num_beyond": found.num_beyond,
        "num_comparable": found.num_comparable,
        "max_absolute": found.max_absolute,
        "mean_absolute": found.mean_absolute,
        "max_relative": found.max_relative,
        "mean_relative": found.mean_relative,
        "cosine": found.cosine,
        "first_different": found.first_different,
        "by_checksum": found.by_checksum,
    }


def _rule(rule: str, count: int) -> Document:
    pattern, replacement = as_regular_expression(rule)
    return {"rule": rule, "pattern": pattern, "replacement": replacement, "count": count}


# --- CSV ------------------------------------------------------------------------------------------

_COMPARED = (
    *("num_different", "num_beyond", "num_comparable", "max_absolute", "mean_absolute"),
    *("max_relative", "mean_relative", "cosine", "first_different"),
)
CSV_COLUMNS = (
    *("name", "name_in_b", "changes", "role", "found_by", "dtype", "dtype_in_b"),
    *("shape", "shape_in_b", "num_elements"),
    *_COMPARED,
    "error",
)


def difference_rows(document: Document) -> Rows:
    """The variables that differ as rows of CSV_COLUMNS; what is only in A has nothing `in_b`."""
    from tfartifacts.report.csv_text import Rows

    return Rows(CSV_COLUMNS, map(_flat, document["variables"]))


def _flat(item: Document) -> Document:
    before, after = item["before"] or {}, item["after"] or {}
    comparison = item["comparison"] or {}
    return {
        "name": before.get("name"),
        "name_in_b": after.get("name"),
        "changes": " ".join(item["changes"]),
        "role": item["role"],
        "found_by": item["found_by"],
        "dtype": before.get("dtype"),
        "dtype_in_b": after.get("dtype"),
        "shape": _sizes(before),
        "shape_in_b": _sizes(after),
        "num_elements": (before or after)["num_elements"],
        **{key: comparison.get(key) for key in _COMPARED},
        "error": None if item["error"] is None else item["error"]["message"],
    }


def _sizes(facts: Document) -> str | None:
    return "x".join(map(str, facts["shape"])) if facts else None


# --- graphs ---------------------------------------------------------------------------------------


def _meta_graph(pair: MetaGraphDifference) -> Document:
    return {
        "tags_a": list(pair.tags[0]),
        "tags_b": list(pair.tags[1]),
        "equal": pair.equal,
        "graph": None if pair.graph is None else _graph(pair.graph),
        **{what: [_item(item) for item in getattr(pair, what)] for what in ITEMS},
    }


def _graph(graph: GraphDifference) -> Document:
    return {
        "equal": graph.equal,
        "num_nodes_a": graph.num_nodes[0],
        "num_nodes_b": graph.num_nodes[1],
        "nodes": [_node(node) for node in graph.nodes],
        "functions": [_function(function) for function in graph.functions],
        "gradients_changed": graph.gradients_changed,
        "ops": {op: list(numbers) for op, numbers in (graph.ops or {}).items()},
    }


def _node(node: NodeDifference) -> Document:
    return {
        "name": node.name,
        "op": node.op,
        "kind": node.kind,
        "fields": [
            {
                "name": field.name,
                "before": attr_text(field.before),
                "after": attr_text(field.after),
            }
            for field in node.fields
        ],
    }


def _function(function: FunctionDifference) -> Document:
    return {
        "name": function.name,
        "kind": function.kind,
        "signature_changed": function.signature_changed,
        "nodes": [_node(node) for node in function.nodes],
    }


def _item(item: ItemDifference) -> Document:
    return {"name": item.name, "kind": item.kind, "lines": list(item.lines)}
