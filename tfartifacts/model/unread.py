"""What is read in steps: of a node name and op first, of a variable all but its value.

Of a graph's million nodes most are only asked for what they are. A Node of a file holds its name
and op; its other fields are empty slots, whose first use comes here and fills them. So it is with
the value of a Variable, an object that would take as long to make as the variable itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tfartifacts.model.graphs import Node
    from tfartifacts.model.values import Buffer, TensorValue


class ValueSource(Protocol):
    """Where variables are stored: they were checked, and nothing here raises."""

    def value(self, head: Any, entry: bytes) -> TensorValue:
        """The value of the variable of that entry; `head` is what was read of it before."""
        ...


class ValueReadLater:
    """What a Variable has besides its fields: where its value is, if that was not asked for yet."""

    __slots__ = ("_entry", "_head", "_source")

    # Python comes here for a slot that is empty, and for what there is no slot for.
    if not TYPE_CHECKING:  # or every misspelled field would pass

        def __getattr__(self, name: str) -> Any:
            if name != "value":
                kind = type(self).__name__
                raise AttributeError(f"{kind!r} object has no attribute {name!r}")
            value = self._source.value(self._head, self._entry)
            object.__setattr__(self, "value", value)
            return value


class NodeSource(Protocol):
    """Where nodes are stored: they were checked, and nothing here raises for what they are."""

    def tail(self, position: int) -> tuple[tuple[str, ...], str, Mapping[str, Any]]:
        """Inputs, device and attributes of the node at a position."""
        ...

    def unknown_fields(self, position: int) -> bytes: ...

    def encoded_node(self, position: int) -> Buffer:
        """The node as it is stored."""
        ...


class ReadInSteps:
    """What a Node has besides its fields: where those are that it does not hold yet."""

    __slots__ = ("_position", "_source")

    _source: NodeSource
    _position: int

    @property
    def source(self) -> tuple[NodeSource, int] | None:
        """Where it was read from, and its position there; None for a node that was made here."""
        source: NodeSource | None = getattr(self, "_source", None)
        return None if source is None else (source, self._position)

    # Python comes here for a slot that is empty, and for what there is no slot for.
    if not TYPE_CHECKING:  # or every misspelled field would pass

        def __getattr__(self, name: str) -> Any:
            if name == "unknown_fields":
                unknown = self._source.unknown_fields(self._position)
                object.__setattr__(self, name, unknown)
                return unknown
            if name not in ("inputs", "device", "attrs"):
                kind = type(self).__name__
                raise AttributeError(f"{kind!r} object has no attribute {name!r}")
            inputs, device, attrs = self._source.tail(self._position)
            object.__setattr__(self, "inputs", inputs)
            object.__setattr__(self, "device", device)
            object.__setattr__(self, "attrs", attrs)
            return inputs if name == "inputs" else attrs if name == "attrs" else device


def unread_node(kind: type[Node], name: str, op: str, source: NodeSource, position: int) -> Node:
    return next(unread_nodes(kind, (name,), (op,), source, position))


def unread_nodes(
    kind: type[Node], names: Sequence[str], ops: Sequence[str], source: NodeSource, first: int = 0
) -> Iterator[Node]:
    """Nodes of which the rest is read when asked for; positions count from `first`."""
    # A frozen dataclass's own constructor takes three times as long.
    new = object.__new__
    slots: Any = [vars(kind)["name"], vars(kind)["op"]]
    set_name, set_op = (slot.__set__ for slot in slots)
    own: Any = vars(ReadInSteps)
    set_source, set_position = own["_source"].__set__, own["_position"].__set__
    for position, (name, op) in enumerate(zip(names, ops, strict=True), first):
        node = new(kind)
        set_name(node, name)
        set_op(node, op)
        set_source(node, source)
        set_position(node, position)
        yield node
