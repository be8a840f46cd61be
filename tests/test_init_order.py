"""Initialisers that read what others fill: what waits for what, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest

from tfartifacts.errors import ConversionError
from tfartifacts.graphs.initializers import with_init_op
from tfartifacts.model import Graph, MetaGraph, Node


def node(name: str, op: str, *inputs: str, **attrs: Any) -> Node:
    return Node(name, op, inputs, attrs=attrs)


def initialized(*nodes: Node, output: str) -> Graph:
    return with_init_op(MetaGraph(Graph(nodes)), [([output], [])])[0].graph


def test_what_reads_waits_and_what_serves_does_not() -> None:
    graph = initialized(
        node("one", "Const"),
        node("n", "VariableV2"),
        node("n/Assign", "Assign", "n", "one"),
        node("n/read", "Identity", "n"),
        node("sum", "Add", "n/read", "one"),
        node("table", "HashTableV2"),
        node("fill", "InitializeTableV2", "table", "one", "sum", "^one"),
        node("find", "LookupTableFindV2", "table", "sum", "one"),
        output="find",
    )
    inputs = {item.name: item.inputs for item in graph.nodes}
    assert inputs["fill"] == ("table", "one", "fill/after/sum", "^one")
    assert inputs["fill/after/sum"] == ("fill/after/n/read", "one")
    assert inputs["fill/after/n/read"] == ("n", "^n/Assign")
    assert inputs["find"] == ("table", "sum", "one")
    assert inputs["sum"] == ("n/read", "one")
    assert inputs["n/read"] == ("n",)
    assert set(inputs["saved_model_init"]) == {"^n/Assign", "^fill"}


def test_an_initialiser_that_takes_a_variable_itself_waits_itself() -> None:
    graph = initialized(
        node("one", "Const"),
        node("n", "VariableV2"),
        node("n/Assign", "Assign", "n", "one"),
        node("m", "VariableV2"),
        node("m/Assign", "Assign", "m", "n"),
        output="m",
    )
    assert graph["m/Assign"].inputs == ("m", "n", "^n/Assign")


def test_initialisers_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(ConversionError, match=r"wait for each other \(m/Assign, n/Assign\)"):
        initialized(
            node("n", "VariableV2"),
            node("m", "VariableV2"),
            node("n/Assign", "Assign", "n", "m"),
            node("m/Assign", "Assign", "m", "n"),
            output="m",
        )


def test_a_variable_that_is_read_in_a_loop_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"found 'm/Assign', which reads n in a loop"):
        initialized(
            node("one", "Const"),
            node("n", "VariableV2"),
            node("n/Assign", "Assign", "n", "one"),
            node("enter", "Enter", "n"),
            node("exit", "Exit", "enter"),
            node("m", "VariableV2"),
            node("m/Assign", "Assign", "m", "exit"),
            output="m",
        )


def test_an_initialiser_that_needs_a_checkpoint_is_not_replaced_by_another() -> None:
    """As init_from_checkpoint leaves it, were the graph's own initialiser named otherwise."""
    with pytest.raises(ConversionError, match="'n/Assign' reads a checkpoint, which no init op"):
        initialized(
            node("one", "Const"),
            node("n", "VariableV2"),
            node("n/Assign", "Assign", "n", "restore"),
            node("restore", "RestoreV2", "one", "one", "one"),
            node("other", "Assign", "n", "one"),
            output="n",
        )
