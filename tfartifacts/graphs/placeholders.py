"""Placeholders: fixed to constants, given other shapes, listed where nobody feeds them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import ConversionError, NameNotFoundError, name_not_found
from tfartifacts.graphs.placeholder_values import parse_value
from tfartifacts.model.graphs import Constant, Graph, Node, TensorShape, UnknownShape
from tfartifacts.model.graphs import only as only_these
from tfartifacts.model.tensors import PLACEHOLDER_OPS, output_shape, parse_tensor_name
from tfartifacts.model.values import PartialShape
from tfartifacts.records import replace

# A shape that a placeholder states fully is filled with a scalar up to this many elements.
_MOST_ELEMENTS = 1 << 20
_LARGEST_SIZE = (1 << 63) - 1


def parse_shape(text: str) -> PartialShape:
    """`[?,28,28,1]` (also `-1` or `None` for `?`, brackets left out), or `?` for unknown rank.

    Raises ConversionError for anything else.
    """
    inner = text.strip()
    if inner == "?":
        return None
    if inner[:1] in "[(" and inner[-1:] in "])" and len(inner) >= 2:
        inner = inner[1:-1]
    sizes: list[int | None] = []
    for part in (part.strip() for part in inner.strip().rstrip(",").split(",")):
        if part in ("?", "-1", "None"):
            sizes.append(None)
        elif part.isascii() and part.isdigit():
            sizes.append(_size(part))
        elif part or sizes:
            raise ConversionError(f"found shape {text!r}, expected such as [?,28,28,1]")
    if math.prod(size for size in sizes if size is not None) > _LARGEST_SIZE:
        raise ConversionError(f"found shape {text!r}, expected at most {_LARGEST_SIZE} elements")
    return tuple(sizes)


def _size(digits: str) -> int:
    # int() itself refuses very long ones.
    size = int(digits) if len(digits) <= len(str(_LARGEST_SIZE)) else _LARGEST_SIZE + 1
    if size > _LARGEST_SIZE:
        shown = digits if len(digits) <= 40 else digits[:40] + "..."
        raise ConversionError(f"found size {shown} in a shape, expected at most {_LARGEST_SIZE}")
    return size


def set_placeholders(graph: Graph, values: Mapping[str, str]) -> Graph:
    """The graph with placeholders as constants: name -> value (`1.0`, `false`, `[1, 2]`, a text).

    A single value fills the shape that the placeholder states.

    Raises NameNotFoundError, and ConversionError for a node that is no placeholder, one that is
    named twice, or a value that does not fit its type and shape.
    """
    wanted: dict[str, str] = {}
    for name, value in values.items():
        node_name, output = parse_tensor_name(name)
        node = _placeholder(graph, node_name)
        if output:
            raise NameNotFoundError(f"no tensor {name!r}; {node.op} has one output")
        if node.name in wanted:
            raise ConversionError(f"found placeholder {node.name!r} twice, expected one value")
        wanted[node.name] = value
    if not wanted:
        return graph
    nodes = tuple(
        _as_constant(graph, node, wanted[node.name]) if node.name in wanted else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def _placeholder(graph: Graph, name: str) -> Node:
    names = [name for name, op in graph.names_and_ops() if op in PLACEHOLDER_OPS]
    if name not in graph:
        raise name_not_found("placeholder", name, names)
    node = graph[name]
    if node.op not in PLACEHOLDER_OPS:
        raise ConversionError(
            f"found {name!r} of op {node.op}, expected a placeholder"
            + (f", such as {names[0]!r}" if names else "")
        )
    return node


def _as_constant(graph: Graph, node: Node, text: str) -> Node:
    dtype = node.attrs.get("dtype")
    if not isinstance(dtype, DType):
        raise ConversionError(f"found placeholder {node.name!r} without a type, expected one")
    elements, shape = parse_value(node.name, dtype.base, text)
    stated = output_shape(graph, node, 0)
    if shape == () and stated is not None and None not in stated:
        count = 1
        for size in stated:
            count *= size or 0
        if count > _MOST_ELEMENTS:
            raise ConversionError(f"found {node.name!r} of {count} elements, expected fewer")
        elements, shape = elements * count, tuple(size or 0 for size in stated)
    elif stated is not None and not _fits(shape, stated):
        raise ConversionError(
            f"found a value of shape {list(shape)} for {node.name!r}, expected {show_shape(stated)}"
        )
    controls = tuple(name for name in node.inputs if name.startswith("^"))
    attrs: dict[str, Any] = {"dtype": dtype, "value": Constant(dtype.base, shape, elements)}
    return Node(node.name, "Const", controls, node.device, attrs)


def _fits(shape: tuple[int, ...], stated: tuple[int | None, ...]) -> bool:
    return len(shape) == len(stated) and all(
        want in (None, size) for size, want in zip(shape, stated, strict=True)
    )


def show_shape(shape: PartialShape) -> str:
    """`[?,28]`, as `--shape` takes it."""
    if shape is None:
        return "?"
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"


def with_shapes(graph: Graph, shapes: Mapping[str, PartialShape]) -> tuple[Graph, tuple[str, ...]]:
    """The graph in which some tensors have other shapes, by name; and what is to be said of it.

    Placeholders state their new shape; other tensors are to become inputs, where the graph is cut.
    What the graph records of shapes elsewhere (`_output_shapes`) may follow from the old ones: it
    is dropped, unless the new ones only fill in sizes that were unknown.

    Raises NameNotFoundError for a tensor that is not there, ConversionError for one that is named
    twice, and for a shape that a placeholder's default does not have.
    """
    if not shapes:
        return graph, ()
    wanted: dict[str, PartialShape] = {}
    refined = True
    for name, shape in shapes.items():
        info = graph.tensor(name)
        if info.name in wanted:
            raise ConversionError(f"found {info.name!r} twice, expected one shape")
        _refuse_other_than_default(graph, info.name, shape)
        wanted[info.name] = shape
        refined = refined and _refines(shape, info.shape)
    nodes = []
    for node in graph.nodes:
        attrs = node.attrs
        is_wanted = node.op in PLACEHOLDER_OPS and f"{node.name}:0" in wanted
        if "_output_shapes" in attrs and (is_wanted or not refined):
            attrs = only_these(attrs, {name for name in attrs if name != "_output_shapes"})
        if is_wanted:
            new = wanted[f"{node.name}:0"]
            attrs = {**attrs, "shape": UnknownShape() if new is None else TensorShape(new)}
        nodes.append(node if attrs is node.attrs else replace(node, attrs=attrs))
    if refined:
        return replace(graph, nodes=tuple(nodes)), ()
    note = f"other shapes may follow from those of {', '.join(wanted)}: they are left to TensorFlow"
    return replace(graph, nodes=tuple(nodes)), (note,)


def _refuse_other_than_default(graph: Graph, name: str, shape: PartialShape) -> None:
    """Refuse a shape that the default of a placeholder contradicts: no loader takes the graph."""
    node = graph[parse_tensor_name(name)[0]]
    if node.op != "PlaceholderWithDefault" or not node.inputs:
        return
    default = graph.tensor(node.inputs[0]).shape
    if shape is None or default is None:
        return
    if len(shape) != len(default) or any(
        None not in (one, other) and one != other for one, other in zip(shape, default, strict=True)
    ):
        raise ConversionError(
            f"found shape {show_shape(shape)} for {name}, whose default is of shape "
            f"{show_shape(default)}, expected one that fits it"
        )


def _refines(shape: PartialShape, known: PartialShape) -> bool:
    """Whether a shape says all that is known, and perhaps more."""
    if known is None:
        return True
    return (
        shape is not None
        and len(shape) == len(known)
        and all(old in (None, new) for new, old in zip(shape, known, strict=True))
    )
