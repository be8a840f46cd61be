"""SavedObjectGraph: the objects of a SavedModel of TensorFlow 2, as far as its signatures go.

    SavedObjectGraph : 1 nodes*  2 concrete_functions{}
    SavedObject      : 1 children* {1 node_id  2 local_name}  3 slot_variables* {1 id 2 name 3 id}
                       15 dependencies* {1 node_id  2 local_name}  11 saveable_objects{}
                       one of 4 user_object  5 asset {1 index}  6 function {1 names*}  7 variable
                       8 bare_concrete_function {1 name}  9 constant {1 operation}  10 resource
                       12 captured_tensor {1 name  2 concrete_function}
    concrete function: 2 bound_inputs* (node ids)   saveable: 2 save_function  3 restore_function
    nodes[0]         the root; its child "signatures" is a map, whose children are functions by
                     signature key

tf.saved_model.load takes the signatures from here; other loaders take them from the meta graph.
Source: tensorflow/core/protobuf/saved_object_graph.proto, saved_model/signature_serialization.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tfartifacts.formats.wire import LENGTH_DELIMITED, Message, fields, put_message, put_text
from tfartifacts.model.values import Buffer
from tfartifacts.records import dataclass

_NODES = 1
_CHILDREN = 1
_MAP = "signatures"


def signature_keys(message: Message) -> tuple[str, ...]:
    """The keys of the signatures that the objects have."""
    nodes = message.messages(_NODES)
    position = _map_position(nodes)
    if position is None:
        return ()
    return tuple(child.text(2) for child in nodes[position].messages(_CHILDREN))


def with_signature_keys(message: Message, changes: Mapping[str, str | None]) -> list[Buffer]:
    """The objects with other keys for their signatures, None for those to leave out.

    The functions stay, and every byte that is not of a changed key.
    """
    wanted = _map_position(message.messages(_NODES))
    pieces: list[Buffer] = []
    position = 0
    for number, wire_type, _, start, payload, end in fields(
        message.buffer, message.start, message.end
    ):
        if (number, wire_type) == (_NODES, LENGTH_DELIMITED):
            position += 1
            if position - 1 == wanted:
                node = Message(message.buffer, payload, end, message.depth + 1)
                pieces += put_message(_NODES, _with_children(node, changes))
                continue
        pieces.append(memoryview(message.buffer)[start:end])
    return pieces


@dataclass(frozen=True, slots=True)
class Objects:
    """What the objects of a SavedModel refer to, each reference with who makes it.

    `node_ids` are positions among the `number` objects; `functions` names of concrete functions,
    `concrete_functions` those there are, which are functions of the graph's library too; `assets`
    positions among the asset files; `operations` nodes of the graph.
    """

    number: int
    node_ids: tuple[tuple[str, int], ...]
    functions: tuple[tuple[str, str], ...]
    concrete_functions: tuple[str, ...]
    assets: tuple[tuple[str, int], ...]
    operations: tuple[tuple[str, str], ...]


def read_objects(message: Message) -> Objects:
    """Every reference that the objects make. Raises FormatError."""
    nodes = message.messages(_NODES)
    node_ids: list[tuple[str, int]] = []
    functions: list[tuple[str, str]] = []
    assets: list[tuple[str, int]] = []
    operations: list[tuple[str, str]] = []
    for position, node in enumerate(nodes):
        who = f"object {position}"
        node_ids += ((who, number) for number in _referred(node))
        functions += ((who, name) for name in _functions_of(node))
        if (asset := node.message(5)) is not None:
            assets.append((who, asset.integer(1)))
        if (constant := node.message(9)) is not None:
            operations.append((who, constant.text(1)))
    names = []
    for name, entry in message.entries(2):
        names.append(name)
        function = entry.message(2)
        bound = [] if function is None else function.integers(2)
        node_ids += ((f"function {name!r}", number) for number in bound)
    return Objects(
        len(nodes),
        tuple(node_ids),
        tuple(functions),
        tuple(names),
        tuple(assets),
        tuple(operations),
    )


def _referred(node: Message) -> Iterator[int]:
    for child in (*node.messages(_CHILDREN), *node.messages(15)):
        yield child.integer(1)
    for slot in node.messages(3):
        yield slot.integer(1)
        yield slot.integer(3)
    for _, entry in node.entries(11):
        saveable = entry.message(2)
        if saveable is not None:
            yield saveable.integer(2)
            yield saveable.integer(3)


def _functions_of(node: Message) -> Iterator[str]:
    if (function := node.message(6)) is not None:
        yield from function.texts(1)
    if (bare := node.message(8)) is not None:
        yield bare.text(1)
    if (captured := node.message(12)) is not None:
        yield captured.text(2)


def _map_position(nodes: list[Message]) -> int | None:
    """Which of the objects holds the signatures."""
    for child in nodes[0].messages(_CHILDREN) if nodes else ():
        position = child.integer(1)
        if child.text(2) == _MAP and 0 <= position < len(nodes):
            return position
    return None


def _with_children(node: Message, changes: Mapping[str, str | None]) -> list[Buffer]:
    pieces: list[Buffer] = []
    for number, wire_type, _, start, payload, end in fields(node.buffer, node.start, node.end):
        if (number, wire_type) == (_CHILDREN, LENGTH_DELIMITED):
            child = Message(node.buffer, payload, end, node.depth + 1)
            key = child.text(2)
            if key in changes:
                new = changes[key]
                if new is not None:
                    pieces += put_message(_CHILDREN, [child.without(2), put_text(2, new)])
                continue
        pieces.append(memoryview(node.buffer)[start:end])
    return pieces
